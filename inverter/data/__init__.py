"""Image sources, pair shards and the loaders that read them; ``import inverter.data.manifest`` stays free of torch."""
