import pytest
import torch

from inverter.blackbox.token_conditioner import TokenConditioner

LATENT_SHAPE, CONDITIONING_SHAPE = (4, 6, 6), (5, 12)


def make(feature_shape: tuple[int, ...] = (7, 3, 5), num_tokens: int = 2) -> TokenConditioner:
    return TokenConditioner(feature_shape, LATENT_SHAPE, CONDITIONING_SHAPE, width=16, depth=1, num_tokens=num_tokens)


@pytest.mark.parametrize("feature_shape", [(7, 3, 5), (7, 13, 12), (10, 7), (7,)])
@pytest.mark.parametrize("count", [1, 3])
def test_shapes(feature_shape, count):
    encoding = make(feature_shape)(torch.randn(count, *feature_shape))
    assert encoding.latents.shape == (count, *LATENT_SHAPE)
    assert encoding.control.tokens.shape == (count, *CONDITIONING_SHAPE)
    assert encoding.trunk.shape == (count, 16, 6, 6)


def test_tokens_start_as_the_base_whatever_the_features():
    conditioner = make()
    conditioner.base.data.normal_()
    conditioning = conditioner(torch.randn(3, 7, 3, 5)).control.tokens
    assert torch.equal(conditioning, conditioner.base.expand(3, -1, -1))


@pytest.mark.parametrize("num_tokens", [1, 2, 5])
def test_only_the_predicted_tokens_depend_on_the_features(num_tokens):
    conditioner = make(num_tokens=num_tokens)
    torch.nn.init.normal_(conditioner.to_tokens[-1].weight)
    conditioning = conditioner(torch.randn(2, 7, 3, 5)).control.tokens
    differs = (conditioning[0] != conditioning[1]).any(-1)
    assert differs.tolist() == [index < num_tokens for index in range(5)]


def test_gradients_reach_base_tokens_and_trunk():
    conditioner = make()
    torch.nn.init.normal_(conditioner.to_tokens[-1].weight)
    conditioning = conditioner(torch.randn(2, 7, 3, 5)).control.tokens
    conditioning.square().sum().backward()
    for parameter in (conditioner.to_tokens[1].weight, conditioner.stem.weight):
        assert parameter.grad.abs().sum() > 0


def test_more_tokens_than_the_prior_takes():
    with pytest.raises(ValueError, match="num_tokens is 6; the prior takes 5 at most"):
        make(num_tokens=6)
