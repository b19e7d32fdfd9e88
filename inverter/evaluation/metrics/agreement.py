"""``agreement``: whether a judge's top-1 classes of the two pictures are one."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from inverter.evaluation.judges import same_source
from inverter.evaluation.metrics import METRICS, Judged, JudgeMetric


def measure(judged: Judged) -> Tensor:
    """``(n,)`` of 0 and 1."""
    return (judged.recon.labels == judged.original.labels).double()


def chance(judged: Judged) -> float | None:
    """Share of the commonest class among originals of other sources, the mean over images; None where there is one."""
    different = (~same_source(judged.groups, judged.groups)).double()
    _, classes = judged.original.labels.unique(return_inverse=True)
    shares = different @ F.one_hot(classes).double() / different.sum(1, keepdim=True)
    return shares.amax(1).mean().item() if different.any() else None


METRICS.register(
    "agreement",
    JudgeMetric(title="top-1 agreement", decimals=3, arrow="↑", share=True, measure=measure, chance=chance),
)
