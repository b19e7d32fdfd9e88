from functools import reduce

import numpy as np
import pytest

from inverter.data.statistics import FeatureStatistics


@pytest.mark.parametrize(("shape", "axes"), [((3, 5, 2), (0, 2, 3)), ((5, 4), (0, 1)), ((6,), (0,))])
def test_merged_statistics_are_numpys(shape, axes):
    features = np.random.default_rng(0).normal(1000, 0.1, (7, *shape))  # a sum of squares would lose the deviation
    merged = reduce(FeatureStatistics.merge, map(FeatureStatistics.of, features))
    assert merged.count == features.size // len(merged.mean)
    np.testing.assert_allclose(merged.mean, features.mean(axes), rtol=1e-12)
    np.testing.assert_allclose(merged.std, features.std(axes), rtol=1e-7)


def test_joint_layers_have_statistics_of_their_own():
    parts = [np.random.default_rng(0).normal(5, 2, (7, *shape)) for shape in ((3, 5, 2), (5, 4), (6,))]
    flat, shape = np.concatenate([part.reshape(7, -1) for part in parts], 1), ((3, 5, 2), (5, 4), (6,))
    merged = reduce(FeatureStatistics.merge, (FeatureStatistics.of(row, shape) for row in flat))
    for name, of in (("mean", np.mean), ("std", np.std)):
        each = [of(part, axis) for part, axis in zip(parts, ((0, 2, 3), (0, 1), (0,)), strict=True)]
        np.testing.assert_allclose(getattr(merged, name), np.concatenate(each), rtol=1e-7)


def test_two_values_by_hand():
    merged = FeatureStatistics.of(np.array([1.0])).merge(FeatureStatistics.of(np.array([5.0])))
    assert (merged.count, merged.mean.tolist(), merged.std.tolist()) == (2, [3.0], [2.0])
