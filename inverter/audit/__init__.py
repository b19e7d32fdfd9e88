"""How leakage falls with depth: a calibrated score a layer, a recommended split, a diagnosis, one page, one JSON."""
