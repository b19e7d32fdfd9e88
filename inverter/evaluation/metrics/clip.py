"""``flicker``, ``warping_error``: of a clip's frames, by :mod:`inverter.evaluation.temporal`."""

from inverter.evaluation.metrics import METRICS, Metric

METRICS.register("flicker", Metric(title="flicker", decimals=4, arrow="↓"))
METRICS.register("warping_error", Metric(title="warping error", decimals=5, arrow="↓"))
