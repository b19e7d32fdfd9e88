"""Networks and losses of the defences in :mod:`inverter.defences.kinds`."""
