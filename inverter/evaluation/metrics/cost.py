"""``peak_memory_bytes``: what a method needs of a GPU."""

from inverter.evaluation.metrics import METRICS, Metric

METRICS.register("peak_memory_bytes", Metric(title="peak memory, bytes", decimals=0))
