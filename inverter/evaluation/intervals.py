"""Bootstrap intervals over images, or over the photos and clips that they were cut from, and paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverter.evaluation.distribution import Kernels, weighted_kid


@dataclass(frozen=True)
class Interval:
    """A mean with its percentile interval; ``low`` and ``high`` are None where one source alone gives no interval."""

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


@dataclass(frozen=True)
class Statistic:
    """A statistic of the sample and its bootstrap replicates ``(R,)``; two of one bootstrap are paired."""

    value: float
    replicates: Tensor


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

    def mean(self, values: Tensor) -> Statistic:
        """Mean of one value per image ``(n,)``; every drawn image weighs the same, also in groups of unlike size."""
        if values.shape != (self.n,) or not torch.isfinite(values.double()).all():
            raise ValueError(f"values has shape {tuple(values.shape)}; needed: ({self.n},), all finite")
        values = values.double()
        counts = self.counts.double()
        return Statistic(values.mean().item(), counts @ values / counts.sum(1))

    def kid(self, kernels: Kernels) -> Statistic:
        """KID of the n images and their originals, over pairs of different groups; NaN where there is one group."""
        if len(kernels.xx) != self.n:
            raise ValueError(f"kernels must be of {self.n} images, got {len(kernels.xx)}")
        found = weighted_kid(kernels, torch.cat([torch.ones(1, self.n), self.counts]), self.sources)
        return Statistic(found[0].item(), found[1:])

    def interval(self, statistic: Statistic) -> Interval:
        """Percentile interval of one statistic."""
        return Interval(statistic.value, *self._quantiles(statistic.replicates), self.n, self.num_groups)

    def difference(self, a: Statistic, b: Statistic) -> Difference:
        """Interval of a minus b: replicates subtract pairwise, as both saw the same draws."""
        low, high = self._quantiles(a.replicates - b.replicates)
        return Difference(a.value - b.value, low, high, self.n, self.num_groups)

    def _quantiles(self, replicates: Tensor) -> tuple[float | None, float | None]:
        tail = (1 - self.level) / 2
        finite = replicates[torch.isfinite(replicates)]
        if self.num_groups < 2 or not len(finite):
            return None, None
        low, high = torch.quantile(finite, torch.tensor([tail, 1 - tail], dtype=finite.dtype)).tolist()
        return low, high


def bootstrap_mean(
    values: Tensor, groups: Sequence[str] | None = None, *, num_bootstrap: int = 2000, seed: int = 0
) -> Interval:
    """Mean of ``values`` ``(n,)`` with its 95 % interval over groups."""
    bootstrap = Bootstrap(len(values), groups, num_bootstrap=num_bootstrap, seed=seed)
    return bootstrap.interval(bootstrap.mean(values))


def paired_bootstrap(
    a: Tensor, b: Tensor, groups: Sequence[str] | None = None, *, num_bootstrap: int = 2000, seed: int = 0
) -> Difference:
    """Mean difference of two methods' values ``(n,)`` on the same images, with its 95 % interval over groups.

    Raises:
        ValueError: The values differ in number or are not finite.
    """
    bootstrap = Bootstrap(len(a), groups, num_bootstrap=num_bootstrap, seed=seed)
    return bootstrap.difference(bootstrap.mean(a), bootstrap.mean(b))
