import pytest
import torch

from inverter.config import AutoencoderConfig
from inverter.priors.autoencoder import build_autoencoder
from inverter.priors.folding import fold_statistics, latent_moments


@pytest.fixture
def vae():
    config = AutoencoderConfig(
        encoder_width=8, decoder_width=8, latent_channels=3, encoder_blocks=[0, 0, 1], decoder_blocks=[1, 0, 0]
    )
    return build_autoencoder(config)


def test_folding_moves_moments_and_keeps_the_pictures(vae):
    images = torch.rand(5, 3, 16, 16)
    with torch.no_grad():
        expected = vae.decoder.layers(vae.encoder.layers(images))
    mean, std = latent_moments(vae, images)
    fold_statistics(vae, torch.zeros(3), std, 1 / 64)
    with torch.no_grad():
        latents = vae.encode(images * 2 - 1).latents * vae.config.scaling_factor
        decoded = vae.decode(latents / vae.config.scaling_factor).sample / 2 + 0.5
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(3), rtol=1e-4, atol=0)
    torch.testing.assert_close(latents.mean((0, 2, 3)), mean / std, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(decoded, expected, rtol=0, atol=1e-3)


def test_the_mean_is_folded_inside_the_border(vae):
    latents = torch.randn(2, 3, 12, 12)
    first = vae.decoder.layers[0]
    with torch.no_grad():
        expected = first(latents)
    mean, std = torch.tensor([0.5, -1.0, 0.1]), torch.tensor([2.0, 1.0, 0.5])
    fold_statistics(vae, mean, std, 0.25)
    with torch.no_grad():
        found = first((latents - mean.view(-1, 1, 1)) / std.view(-1, 1, 1) * 0.25)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
    assert vae.config.scaling_factor == 4


def test_moments_that_cannot_be(vae):
    with pytest.raises(ValueError, match="allowed: positive numbers"):
        fold_statistics(vae, torch.zeros(3), torch.tensor([1.0, 0.0, 1.0]), 0.25)
