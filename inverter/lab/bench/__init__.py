"""Speed and memory of the machine at hand, as ratios measured side by side wherever two ways can be compared."""
