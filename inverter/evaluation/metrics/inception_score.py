"""``is``: inception score of the reconstructions."""

from inverter.evaluation.distribution import inception_score
from inverter.evaluation.metrics import METRICS, SetMetric

METRICS.register(
    "is",
    SetMetric(
        title="inception score",
        decimals=2,
        arrow="↑",
        measure=lambda judged, bootstrap: inception_score(judged.recon.probabilities),
    ),
)
