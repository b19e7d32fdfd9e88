"""Metrics: one a file, registered by the name under which tables, JSON and CSV give it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor

from inverter.run.registry import Registry
from inverter.targets.shape import FeatureShape

if TYPE_CHECKING:
    from inverter.evaluation.intervals import Bootstrap, Statistic
    from inverter.evaluation.judges import Reidentification, Verdict


@dataclass(frozen=True)
class Missing:
    """A metric that was not computed, and why; never a number that looks like a result."""

    metric: str
    reason: str


@dataclass(frozen=True)
class Context:
    """What a metric may use beside the two pictures.

    Args:
        features: Of the originals, ``(B, *feature_shape)``.
        target: Attacked network, images to features; None where it is not at hand.
        feature_shape: Of one layer or of joint ones.
    """

    features: Tensor
    target: Callable[[Tensor], Tensor] | None
    feature_shape: FeatureShape


@dataclass(frozen=True)
class Judged:
    """What one judge saw of n images.

    Args:
        recon: Of the reconstructions.
        original: Of the images themselves.
        groups: Photo or clip that each was cut from.
    """

    recon: Verdict
    original: Verdict
    groups: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How a metric is named and rounded; one that is no more than this is measured outside the registry.

    Args:
        title: With unit.
        decimals: That are shown.
        arrow: Towards more leakage, ``↑`` or ``↓``; empty where neither way is better.
        share: Values are 0 or 1.
    """

    title: str
    decimals: int
    arrow: str = ""
    share: bool = False


@dataclass(frozen=True, kw_only=True)
class ImageMetric(Metric):
    """One value per image, by the picture.

    Args:
        measure: Takes reconstructions and originals, both ``(B, 3, H, W)`` with 256 levels in [0, 1], and gives
            ``(B,)``, or why there is nothing.
        network: What computes it, where that is a network; ``{target}`` stands for the attacked one.
    """

    measure: Callable[[Tensor, Tensor, Context], Tensor | Missing]
    network: str | None = None


@dataclass(frozen=True, kw_only=True)
class JudgeMetric(Metric):
    """One value per image under each judge, reported as ``NAME/JUDGE``.

    Args:
        measure: Gives ``(n,)``.
        chance: The value that guessing gets; None where that is unknown.
    """

    measure: Callable[[Judged], Tensor]
    chance: Callable[[Judged], float | None]


@dataclass(frozen=True, kw_only=True)
class RankMetric(Metric):
    """One value per image under each judge, by the rank of the true image among distractors; ``NAME/JUDGE``.

    Args:
        measure: Gives ``(n,)``.
        chance: Gives what guessing gets for each image, ``(n,)``.
    """

    measure: Callable[[Reidentification], Tensor]
    chance: Callable[[Reidentification], Tensor]


@dataclass(frozen=True, kw_only=True)
class SetMetric(Metric):
    """One value of the whole sample under each judge, reported as ``NAME/JUDGE``.

    Args:
        measure: Gives a statistic, which gets an interval and comparisons, or a number, or why there is nothing.
    """

    measure: Callable[[Judged, Bootstrap], Statistic | float | Missing]


METRICS: Registry[Metric] = Registry("metric", "inverter.evaluation.metrics")

ORDER = (
    ("psnr", "ssim", "lpips", "feature_cosine"),
    ("agreement",),
    ("nearest_train_psnr", "nearer_to_train"),
    ("reid_top1", "reid_mrr", "reid_rank"),
    ("kid",),
    ("is", "fid"),
)
"""Blocks of columns, one a judge where judges fill it; metrics that are not here follow by name."""

M = TypeVar("M", bound=Metric)


def metrics_of(kind: type[M]) -> dict[str, M]:
    """Registered metrics of one kind by name, in the order of columns."""
    first = [name for block in ORDER for name in block]
    names = sorted(METRICS.names(), key=lambda name: first.index(name) if name in first else len(first))
    return {name: metric for name in names if isinstance(metric := METRICS[name], kind)}


def block(metric: str) -> int:
    """Place of a metric's block of columns; of one such as ``agreement/JUDGE`` that of its kind."""
    kind = metric.partition("/")[0]
    return next((place for place, names in enumerate(ORDER) if kind in names), len(ORDER))
