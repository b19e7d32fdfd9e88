import pytest
import torch

from inverter.blackbox.aligner import Aligner, ImageHead

LATENT_SHAPE, CONDITIONING_SHAPE = (4, 6, 6), (5, 12)


def make(feature_shape: tuple[int, ...] = (7, 3, 5), num_tokens: int = 2) -> Aligner:
    return Aligner(feature_shape, LATENT_SHAPE, CONDITIONING_SHAPE, width=16, depth=1, num_tokens=num_tokens)


@pytest.mark.parametrize("feature_shape", [(7, 3, 5), (7, 13, 12), (10, 7), (7,)])
@pytest.mark.parametrize("count", [1, 3])
def test_shapes(feature_shape, count):
    latents, conditioning, trunk = make(feature_shape)(torch.randn(count, *feature_shape))
    assert latents.shape == (count, *LATENT_SHAPE)
    assert conditioning.shape == (count, *CONDITIONING_SHAPE)
    assert trunk.shape == (count, 16, 6, 6)


def test_conditioning_starts_as_the_base_whatever_the_features():
    aligner = make()
    aligner.base.data.normal_()
    _, conditioning, _ = aligner(torch.randn(3, 7, 3, 5))
    assert torch.equal(conditioning, aligner.base.expand(3, -1, -1))


@pytest.mark.parametrize("num_tokens", [1, 2, 5])
def test_only_the_predicted_tokens_depend_on_the_features(num_tokens):
    aligner = make(num_tokens=num_tokens)
    torch.nn.init.normal_(aligner.to_tokens[-1].weight)
    _, conditioning, _ = aligner(torch.randn(2, 7, 3, 5))
    differs = (conditioning[0] != conditioning[1]).any(-1)
    assert differs.tolist() == [index < num_tokens for index in range(5)]


def test_gradients_reach_base_tokens_and_trunk():
    aligner = make()
    torch.nn.init.normal_(aligner.to_tokens[-1].weight)
    _, conditioning, _ = aligner(torch.randn(2, 7, 3, 5))
    conditioning.square().sum().backward()
    for parameter in (aligner.to_tokens[1].weight, aligner.stem.weight):
        assert parameter.grad.abs().sum() > 0


def test_more_tokens_than_the_prior_takes():
    with pytest.raises(ValueError, match="num_tokens is 6; the prior takes 5 at most"):
        make(num_tokens=6)


@pytest.mark.parametrize("upsampling", [2, 4, 8])
def test_the_head_starts_at_zero_and_has_the_images_size(upsampling):
    head = ImageHead(16, 8, upsampling)
    trunk, image = torch.randn(2, 16, 3, 5), torch.rand(2, 3, 3 * upsampling, 5 * upsampling)
    residual = head(trunk, image)
    assert residual.shape == image.shape
    assert not residual.any()
    residual.sum().backward()
    assert head.body[-2].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("upsampling", [1, 3])
def test_an_odd_ratio_is_refused(upsampling):
    with pytest.raises(ValueError, match=f"upsampling is {upsampling}; the image head needs an even ratio"):
        ImageHead(16, 8, upsampling)
