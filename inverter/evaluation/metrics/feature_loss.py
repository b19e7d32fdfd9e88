"""``feature_loss``: the distance that white-box methods descend on, in experiments."""

from inverter.evaluation.metrics import METRICS, Metric

METRICS.register("feature_loss", Metric(title="feature loss", decimals=4, arrow="↓"))
