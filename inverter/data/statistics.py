"""Running mean and deviation of each feature channel, in float64, mergeable shard by shard."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inverter.targets.shape import FeatureShape, channel_axis, layer_shapes


@dataclass(frozen=True)
class FeatureStatistics:
    """Count, mean and sum of squared deviations of each channel.

    Args:
        count: Values seen of each channel (pairs times positions); ``(C,)`` where layers are joint.
        mean: Mean of each channel, ``(C,)``.
        m2: Sum of squared deviations from that mean, ``(C,)``.
    """

    count: int | np.ndarray
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, feature_shape: FeatureShape | None = None) -> FeatureStatistics:
        """Statistics of one image's features ``(C, h, w)``, ``(N, D)`` or ``(D,)``.

        Args:
            features: As they are stored.
            feature_shape: Says which layers are joint in them; None is that of the array.
        """
        shapes = layer_shapes(feature_shape or features.shape)
        if len(shapes) == 1:
            axis = channel_axis(features.shape)
            values = np.moveaxis(features, axis, -1).reshape(-1, features.shape[axis]).astype(np.float64)
            mean = values.mean(0)
            return cls(len(values), mean, ((values - mean) ** 2).sum(0))
        parts = np.split(features, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
        layers = [cls.of(part.reshape(shape)) for part, shape in zip(parts, shapes, strict=True)]
        counts = np.repeat([each.count for each in layers], [len(each.mean) for each in layers])
        return cls(counts, np.concatenate([each.mean for each in layers]), np.concatenate([each.m2 for each in layers]))

    def merge(self, other: FeatureStatistics) -> FeatureStatistics:
        """Statistics of both sets together.

        Source:
            Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
        """
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        return FeatureStatistics(count, mean, self.m2 + other.m2 + delta**2 * (self.count * other.count / count))

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of each channel over the values seen, ``(C,)``."""
        return np.sqrt(self.m2 / self.count)
