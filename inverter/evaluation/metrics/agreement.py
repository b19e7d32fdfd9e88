"""``agreement``: whether a judge's top-1 classes of the two pictures are one."""

from __future__ import annotations

from torch import Tensor

from inverter.evaluation.judges import same_source
from inverter.evaluation.metrics import METRICS, Judged, JudgeMetric


def measure(judged: Judged) -> Tensor:
    """``(n,)`` of 0 and 1."""
    return (judged.recon.labels == judged.original.labels).double()


def chance(judged: Judged) -> float | None:
    """How often originals of different sources agree; None where there is one source."""
    labels, different = judged.original.labels, ~same_source(judged.groups, judged.groups)
    return (labels[:, None] == labels[None, :])[different].double().mean().item() if different.any() else None


METRICS.register(
    "agreement",
    JudgeMetric(title="top-1 agreement", decimals=3, arrow="↑", share=True, measure=measure, chance=chance),
)
