import pytest
import torch
from torch.nn import functional as F

from inverter.blackbox.grid import WEIGHTS, FeatureGrid, JointGrid, ResidualBlock, Standardise


@pytest.mark.parametrize(
    ("feature_shape", "channels"),
    [
        ((5, 4, 4), 5),  # as fine
        ((5, 2, 3), 5),  # coarser, not square
        ((5, 8, 8), 20),  # twice as fine
        ((5, 7, 3), 20),  # finer, not square
        ((5, 9, 9), 45),
        ((5, 1, 1), 128),  # one position: a vector
        ((16, 6), 6),  # tokens of a 4 x 4 map
        ((17, 6), 6 + 128),  # one class token
        ((66, 6), 24 + 128),  # two class tokens, 8 x 8
        ((21, 6), 6 + 128),  # a class and four register tokens
        ((1, 6), 128),
        ((10,), 128),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_every_shape_ends_on_the_grid(feature_shape, channels, count):
    grid = FeatureGrid(feature_shape, 4)
    features = torch.randn(count, *feature_shape)
    before = features.clone()
    out = grid(features)
    assert out.shape == (count, channels, 4, 4)
    assert grid.out_channels == channels
    torch.testing.assert_close(out[:1], grid(features[:1]))
    assert torch.equal(features, before)


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_a_map_of_a_multiple_keeps_every_number(fold):
    features = torch.randn(2, 3, 4 * fold, 4 * fold)
    out = FeatureGrid((3, 4 * fold, 4 * fold), 4)(features)
    assert torch.equal(F.pixel_shuffle(out, fold), features)


def test_a_finer_map_is_never_shrunk():
    """7 x 7 on a grid of 4 becomes 8 x 8, from which the 49 numbers can be solved."""
    grid = FeatureGrid((1, 7, 7), 4)
    columns = grid(torch.eye(49).view(49, 1, 7, 7)).flatten(1)
    assert torch.linalg.matrix_rank(columns) == 49


def test_tokens_are_laid_out_in_rows_beside_what_comes_before_them():
    patches, extra = torch.randn(2, 16, 6), torch.randn(2, 2, 6)
    plain = FeatureGrid((16, 6), 4)(patches)
    assert torch.equal(plain[1, :, 2, 3], patches[1, 2 * 4 + 3])
    grid = FeatureGrid((18, 6), 4)
    both = grid(torch.cat([extra, patches], 1))
    assert torch.equal(both[:, :6], plain)
    expected = extra.flatten(1) @ grid.spread.weight.T + grid.spread.bias
    torch.testing.assert_close(both[:, 6:], expected[:, :, None, None].expand(-1, -1, 4, 4))


def test_every_extra_token_counts():
    grid, features = FeatureGrid((21, 6), 4), torch.randn(1, 21, 6, requires_grad=True)
    grid(features)[:, 6:, 1, 2].square().sum().backward()
    assert (features.grad[0, :5] != 0).all() and (features.grad[0, 5:] == 0).all()


@pytest.mark.parametrize("feature_shape", [(7,), (7, 1, 1), (1, 7)])
def test_one_position_is_a_vector(feature_shape):
    torch.manual_seed(0)
    grid = FeatureGrid(feature_shape, 8)
    out = grid(torch.linspace(0, 1, 7).view(1, *feature_shape))
    torch.manual_seed(0)
    assert torch.equal(out, FeatureGrid((7,), 8)(torch.linspace(0, 1, 7)[None]))
    assert out.std((2, 3)).min() > 0  # it may say different things in different places


@pytest.mark.parametrize(
    "feature_shape",
    [(1280,), (4096,), (1280, 1, 1), (1, 1280), (2048, 7, 7), (256, 56, 56), (512, 28, 28), (197, 1024), (260, 1280)],
)
@pytest.mark.parametrize(("side", "cost"), [(7, 192), (16, 9 * 128)])
def test_a_layout_keeps_to_its_budget(feature_shape, side, cost):
    with torch.device("meta"):
        grid = FeatureGrid(feature_shape, side, cost)
    weights = sum(weights.numel() for name, weights in grid.named_parameters() if "bias" not in name)
    assert weights + grid.out_channels * cost < 1.02 * WEIGHTS


@pytest.mark.parametrize("feature_shape", [(9,), (40, 6, 6), (20, 50), (16, 40)])
def test_under_a_budget_every_number_still_counts(feature_shape):
    grid, features = FeatureGrid(feature_shape, 4, cost=10, budget=300), torch.randn(2, *feature_shape)
    features.requires_grad_()
    out = grid(features)
    assert out.shape == (2, grid.out_channels, 4, 4)
    out.square().sum().backward()
    assert (features.grad != 0).all()


def test_a_vector_says_different_things_in_different_places_under_a_budget():
    out = FeatureGrid((7,), 4, cost=10)(torch.randn(1, 7))[0].flatten(1)
    assert torch.linalg.matrix_rank(out - out.mean(1, keepdim=True)) > 7


def test_joint_layers_are_laid_out_each_on_its_own_and_added_up():
    shape = ((5, 8, 8), (17, 6), (10,))
    grid, features = JointGrid(shape, 8), torch.randn(3, 5 * 64 + 17 * 6 + 10)
    assert grid(features).shape == (3, 128, 8, 8)
    assert [part.side for part in grid.grids] == [8, 4, 4]
    start = 0
    for numbers in (320, 102, 10):
        changed = features.clone()
        changed[:, start : start + numbers] += 1
        assert (grid(changed) - grid(features)).abs().mean() > 1e-3
        start += numbers


def test_joint_layers_are_standardised_each_by_its_own_channels():
    shape, count = ((2, 3, 3), (4, 3), (2,)), 7
    parts = [torch.randn(200, *each) * 3 + 5 for each in shape]
    axes = ((0, 2, 3), (0, 1), (0,))
    mean = torch.cat([part.mean(axis) for part, axis in zip(parts, axes, strict=True)])
    std = torch.cat([part.std(axis) for part, axis in zip(parts, axes, strict=True)])
    assert len(mean) == count
    out = Standardise(shape, mean.tolist(), std.tolist())(torch.cat([part.flatten(1) for part in parts], 1))
    torch.testing.assert_close(out.mean(), torch.tensor(0.0), rtol=0, atol=1e-4)
    assert (out.std(0) - 1).abs().max() < 0.2


@pytest.mark.parametrize("shape", [(3, 5, 4, 5), (3, 4, 4), (3, 5, 16), (3, 2, 4, 4)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"features has shape .*; this inverter takes \(B, \(5, 4, 4\)\)"):
        Standardise((5, 4, 4), [0.0] * 5, [1.0] * 5)(torch.zeros(shape))


@pytest.mark.parametrize("feature_shape", [(), (2, 3, 4, 5)])
def test_shapes_that_no_layer_has(feature_shape):
    with pytest.raises(ValueError, match=r"allowed: \(C, h, w\), \(N, D\) or \(D,\)"):
        FeatureGrid(feature_shape, 4)


@pytest.mark.parametrize(("feature_shape", "axis"), [((3, 4, 6), 1), ((7, 3), 2), ((3,), 1)])
def test_channels_get_mean_zero_and_deviation_one(feature_shape, axis):
    scale = torch.tensor([1.0, 10.0, 0.1])
    features = torch.randn(50, *feature_shape).movedim(axis, -1) * scale + 5
    mean, std = features.flatten(0, -2).mean(0), features.flatten(0, -2).std(0)
    out = Standardise(feature_shape, mean.tolist(), std.tolist())(features.movedim(-1, axis)).movedim(axis, -1)
    torch.testing.assert_close(out.flatten(0, -2).mean(0), torch.zeros(3), rtol=0, atol=1e-3)
    torch.testing.assert_close(out.flatten(0, -2).std(0), torch.ones(3), rtol=1e-3, atol=0)


def test_a_channel_that_never_varied_is_silent():
    standardise = Standardise((2, 1, 1), [0.0, 1.0], [1.0, 0.0])
    out = standardise(torch.tensor([0.5, 1.0, -2.0, 9.0]).view(2, 2, 1, 1))
    assert out.flatten(1).tolist() == [[0.5, 0.0], [-2.0, 0.0]]


def test_statistics_of_another_number_of_channels():
    with pytest.raises(ValueError, match=r"feature_std has 2 values; features \(3, 4, 4\) need 3"):
        Standardise((3, 4, 4), [0.0] * 3, [1.0] * 2)


def test_a_residual_block_starts_as_the_identity():
    x = torch.randn(2, 16, 5, 3)
    assert torch.equal(ResidualBlock(16)(x), x)
