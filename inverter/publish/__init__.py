"""Publishing an inverter: weights, card."""
