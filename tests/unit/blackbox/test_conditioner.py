import pytest
import torch

from inverter.blackbox.conditioner import Conditioner, resize
from inverter.priors.control import ControlShape
from inverter.targets.shape import tensor_shape

SHAPE = ControlShape(hint=(6, 8, 8), residuals=((6, 8, 8), (6, 4, 4), (10, 4, 4)), middle=(10, 4, 4), tokens=(5, 12))
JOINT = ((7, 13, 12), (11, 7), (9,))
FEATURES = [
    (7, 3, 3),
    (7, 3, 5),
    (7, 13, 12),
    (11, 7),
    (50, 6),
    (9,),
    (9, 1, 1),
    (2, 5),
    (3, 5),
    (1, 9),
    (9, 1, 4),
    JOINT,
]


def make(feature_shape=(7, 3, 3), shape: ControlShape = SHAPE, **options) -> Conditioner:
    torch.manual_seed(0)
    sizes = {"width": 16, "coarse_width": 24, "depth": 1}
    return Conditioner(feature_shape, (4, 8, 8), shape, **{**sizes, **options}).eval()


def awake(conditioner: Conditioner) -> Conditioner:
    """With ends that are not zero any more."""
    for layer in (conditioner.to_hint, conditioner.from_fine, conditioner.from_coarse, conditioner.to_tokens[-1]):
        torch.nn.init.normal_(layer.weight, std=0.1)
    return conditioner


@pytest.mark.parametrize("feature_shape", FEATURES)
@pytest.mark.parametrize("count", [1, 3])
def test_features_of_any_shape_become_latents_and_control(feature_shape, count):
    encoding = awake(make(feature_shape))(torch.randn(count, *tensor_shape(feature_shape)))
    control = encoding.control
    assert encoding.latents.shape == (count, 4, 8, 8) and encoding.trunk.shape == (count, 16, 8, 8)
    assert control.hint.shape == (count, *SHAPE.hint) and control.middle.shape == (count, *SHAPE.middle)
    assert [tuple(residual.shape[1:]) for residual in control.residuals] == list(SHAPE.residuals)
    assert control.tokens.shape[1] % SHAPE.tokens[0] == 0 and control.tokens.shape[2] == SHAPE.tokens[1]


@pytest.mark.parametrize("feature_shape", FEATURES)
def test_what_reaches_the_denoiser_starts_at_zero(feature_shape):
    control = make(feature_shape)(torch.randn(2, *tensor_shape(feature_shape))).control
    assert not any(part.any() for part in (control.hint, *control.residuals, control.middle, control.tokens))


@pytest.mark.parametrize("feature_shape", [(7, 3, 3), (7, 13, 12)])
def test_features_reach_the_denoiser_with_their_places(feature_shape):
    """A change in one corner of the features changes the hint most in that corner, and that corner's token."""
    conditioner, features = awake(make(feature_shape, depth=0)), torch.zeros(1, *feature_shape)
    changed = features.clone()
    changed[..., 0, 0] = 3.0
    plain, moved = conditioner(features).control, conditioner(changed).control
    hint = (moved.hint - plain.hint).abs().sum(1)[0]
    assert hint[0, 0] > 0 and hint[0, 0] > 3 * hint[-1, -1]
    tokens = (moved.tokens - plain.tokens).abs().sum(2)[0]
    assert tokens[0] > tokens[conditioner.coarse_side**2 - 1]


def test_a_vector_has_one_token_a_spread_position_and_one_for_the_whole():
    assert len(make((9,)).places) == 4**2 + 1


def test_control_of_the_finest_level_comes_from_the_fine_map():
    assert make().is_fine == [True, True, True, True]  # features of 3 x 3: even 4 x 4 is finer
    assert make((7, 13, 12)).is_fine == [True, False, False, False]


def test_no_feature_says_anything_where_they_are_replaced_by_the_null():
    conditioner = awake(make())
    torch.nn.init.normal_(conditioner.null)
    keep = torch.tensor([True, False, False])
    control = conditioner(torch.randn(3, 7, 3, 3), keep=keep).control
    null = conditioner.null_control(2)
    for part in ("hint", "middle", "tokens"):
        values = getattr(control, part)
        torch.testing.assert_close(values[1:], getattr(null, part))
        assert not torch.allclose(values[0], values[1])


def test_the_noise_level_is_told_and_noise_is_added_in_training_alone():
    conditioner, features = awake(make()), torch.randn(2, 7, 3, 3)
    torch.nn.init.normal_(conditioner.noise[-1].weight, std=0.1)
    torch.nn.init.normal_(conditioner.noise[-1].bias, std=0.1)
    assert torch.equal(conditioner(features).latents, conditioner(features, torch.zeros(2)).latents)
    level = torch.tensor([0.0, 0.5])
    plain, told = conditioner(features, torch.zeros(2)).latents, conditioner(features, level).latents
    torch.testing.assert_close(told[0], plain[0])
    assert not torch.allclose(told[1], plain[1])
    assert torch.equal(conditioner(features, level).latents, told)
    conditioner.train()
    assert not torch.allclose(conditioner(features, level).latents[1], conditioner(features, level).latents[1])
    torch.testing.assert_close(conditioner(features, level).latents[0], plain[0])


def test_outliers_are_cut():
    conditioner, features = make(), torch.full((1, 7, 3, 3), 8.0)
    assert torch.equal(conditioner(features).latents, conditioner(1e6 * features).latents)


def test_features_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"features has shape \(2, 7, 3, 4\); this inverter takes"):
        make()(torch.zeros(2, 7, 3, 4))
    with pytest.raises(ValueError, match=r"feature_shape is \(1, 2, 3, 4\); allowed: \(C, h, w\), \(N, D\) or \(D,\)"):
        make((1, 2, 3, 4))


def test_resizing_takes_means_or_interpolates():
    maps = torch.arange(16.0).view(1, 1, 4, 4)
    assert resize(maps, 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert resize(maps, 8).shape == (1, 1, 8, 8) and resize(maps, 4) is maps
