import pytest
import torch
from torch.nn import functional as F

from inverter.blackbox.grid import FeatureGrid, ResidualBlock, Standardise


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
