"""Bootstrap intervals over images, or over the photos and clips that they were cut from, and paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from statistics import NormalDist

import torch
from torch import Tensor

from inverter.evaluation.distribution import weighted_kid

MIN_SOURCES = 20
"""Sources below which nothing is recommended and no difference is claimed."""

MIN_SEEN = 5
"""Sources that have to show each outcome of a share; where fewer do, replicates hardly see the rarer one."""


@dataclass(frozen=True)
class Interval:
    """A mean with its interval; ``low`` and ``high`` are None where one source alone gives none."""

    mean: float
    low: float | None
    high: float | None
    n: int
    groups: int


@dataclass(frozen=True)
class Difference(Interval):
    """Mean of a minus b on the same images."""

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def claim(self) -> bool:
        """Whether it may be called a difference: the interval excludes 0, and there are sources enough to resample."""
        return self.excludes_zero and self.groups >= MIN_SOURCES


@dataclass(frozen=True)
class Statistic:
    """A statistic of the sample and its bootstrap replicates ``(R,)``; two of one bootstrap are paired.

    ``rare`` marks a share one of whose outcomes fewer than 5 sources show, 0 and 1 of all among them.
    """

    value: float
    replicates: Tensor
    rare: bool = False


class Bootstrap:
    """Resampled counts of n images, drawn by group: every statistic of one object sees the same draws.

    Args:
        n: Number of images.
        groups: Source of each image (photo, clip); None makes every image its own group.
        num_bootstrap: Replicates.
        level: Coverage of the intervals, in (0, 1).
        seed: Same seed, groups and n: same draws.
    Raises:
        ValueError: No image, another number of groups than images, or a level outside (0, 1).
    """

    def __init__(
        self,
        n: int,
        groups: Sequence[str] | None = None,
        *,
        num_bootstrap: int = 2000,
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        if n < 1 or num_bootstrap < 1 or not 0 < level < 1:
            raise ValueError(
                f"n={n}, num_bootstrap={num_bootstrap}, level={level}; allowed: positive, positive, between 0 and 1"
            )
        if groups is not None and len(groups) != n:
            raise ValueError(f"groups has {len(groups)} entries for {n} images")
        numbers: dict[str, int] = {}
        index = torch.tensor([numbers.setdefault(group, len(numbers)) for group in groups] if groups else range(n))
        self.n, self.num_groups, self.level = n, int(index.max()) + 1, level
        generator = torch.Generator().manual_seed(seed)
        draws = torch.randint(self.num_groups, (num_bootstrap, self.num_groups), generator=generator)
        counts = torch.zeros(num_bootstrap, self.num_groups).scatter_add_(1, draws, torch.ones(draws.shape))
        self.counts = counts[:, index]  # (R, n): how often each image was drawn
        self.sources = index  # (n,)

    def mean(self, values: Tensor, share: bool = False) -> Statistic:
        """Mean of one value per image ``(n,)``; every drawn image weighs the same, also in groups of unlike size.

        ``share`` says that values are outcomes, 0 or 1.
        """
        if values.shape != (self.n,) or not torch.isfinite(values.double()).all():
            raise ValueError(f"values has shape {tuple(values.shape)}; needed: ({self.n},), all finite")
        values = values.double()
        counts = self.counts.double()
        return Statistic(values.mean().item(), counts @ values / counts.sum(1), share and self._rare(values))

    def kid(self, x: Tensor, y: Tensor) -> Statistic:
        """KID of embeddings ``(n, D)`` of the images and of their originals, over pairs of different groups.

        NaN where there is one group.
        """
        if len(x) != self.n:
            raise ValueError(f"x must hold {self.n} embeddings, got {len(x)}")
        estimates = weighted_kid(x, y, torch.cat([torch.ones(1, self.n), self.counts]), self.sources)
        return Statistic(estimates[0].item(), estimates[1:])

    def interval(self, statistic: Statistic) -> Interval:
        """Percentile interval of one statistic; of a rare share together with Wilson's over the sources."""
        return Interval(statistic.value, *self._ends(statistic), self.n, self.num_groups)

    def difference(self, a: Statistic, b: Statistic) -> Difference:
        """Interval of a minus b: replicates subtract pairwise, as both saw the same draws.

        Where one of them is a rare share, together with Newcombe's interval of a difference.
        """
        difference = a.value - b.value
        low, high = self._quantiles(a.replicates - b.replicates)
        if (a.rare or b.rare) and low is not None and high is not None:
            (a_below, a_above), (b_below, b_above) = self._reach(a), self._reach(b)
            low = min(low, difference - hypot(a_below, b_above))
            high = max(high, difference + hypot(a_above, b_below))
        return Difference(difference, low, high, self.n, self.num_groups)

    def unseen(self) -> float:
        """Share of sources that may show what none of these shows: the upper end of Wilson's interval of 0."""
        return wilson(0.0, self.num_groups, self.level)[1]

    def _ends(self, statistic: Statistic) -> tuple[float | None, float | None]:
        low, high = self._quantiles(statistic.replicates)
        if statistic.rare and low is not None and high is not None:
            ends = wilson(statistic.value, self.num_groups, self.level)
            low, high = min(low, ends[0]), max(high, ends[1])
        return low, high

    def _reach(self, statistic: Statistic) -> tuple[float, float]:
        low, high = self._ends(statistic)
        return (0.0, 0.0) if low is None or high is None else (statistic.value - low, high - statistic.value)

    def _rare(self, values: Tensor) -> bool:
        return min(len(self.sources[values == outcome].unique()) for outcome in (0, 1)) < MIN_SEEN

    def _quantiles(self, replicates: Tensor) -> tuple[float | None, float | None]:
        tail = (1 - self.level) / 2
        finite = replicates[torch.isfinite(replicates)]
        if self.num_groups < 2 or not len(finite):
            return None, None
        low, high = torch.quantile(finite, torch.tensor([tail, 1 - tail], dtype=finite.dtype)).tolist()
        return low, high


def wilson(share: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a share in [0, 1] seen in ``count`` independent sources; not a point at 0 and 1 either.

    Source:
        Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    squared = NormalDist().inv_cdf((1 + level) / 2) ** 2
    centre = (share + squared / (2 * count)) / (1 + squared / count)
    half = sqrt(squared * (share * (1 - share) + squared / (4 * count)) / count) / (1 + squared / count)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def bootstrap_mean(
    values: Tensor,
    groups: Sequence[str] | None = None,
    *,
    share: bool = False,
    num_bootstrap: int = 2000,
    seed: int = 0,
) -> Interval:
    """Mean of ``values`` ``(n,)``, which are 0 or 1 where it is a ``share``, with its 95 % interval over groups."""
    bootstrap = Bootstrap(len(values), groups, num_bootstrap=num_bootstrap, seed=seed)
    return bootstrap.interval(bootstrap.mean(values, share))


def paired_bootstrap(
    a: Tensor,
    b: Tensor,
    groups: Sequence[str] | None = None,
    *,
    share: bool = False,
    num_bootstrap: int = 2000,
    seed: int = 0,
) -> Difference:
    """Mean difference of two methods' values ``(n,)`` on the same images, with its 95 % interval over groups.

    Raises:
        ValueError: The values differ in number or are not finite.
    """
    bootstrap = Bootstrap(len(a), groups, num_bootstrap=num_bootstrap, seed=seed)
    return bootstrap.difference(bootstrap.mean(a, share), bootstrap.mean(b, share))
