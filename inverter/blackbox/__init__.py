"""Black-box inversion: networks trained on (image, feature) pairs, with no target in sight."""
