"""``kid``: kernel inception distance, over pairs of different sources."""

from __future__ import annotations

from inverter.evaluation.intervals import Bootstrap, Statistic
from inverter.evaluation.metrics import METRICS, Judged, Missing, SetMetric


def measure(judged: Judged, bootstrap: Bootstrap) -> Statistic | Missing:
    """With its replicates."""
    if bootstrap.num_groups < 2:
        return Missing("kid", "needs images from two sources")
    return bootstrap.kid(judged.recon.embeddings, judged.original.embeddings)


METRICS.register("kid", SetMetric(title="KID", decimals=4, arrow="↓", measure=measure))
