import pytest
import torch

from inverter.config import AutoencoderConfig
from inverter.priors.training.autoencoder import build_autoencoder
from inverter.priors.training.folding import fold_statistics, latent_moments


@pytest.fixture
def vae():
    return build_autoencoder(
        AutoencoderConfig(latent_channels=3, widths=[8, 16], encoder_blocks=[1, 1], decoder_blocks=[1, 1])
    )


def test_folding_moves_moments_and_keeps_the_pictures(vae):
    images = torch.rand(5, 3, 16, 16)
    with torch.no_grad():
        expected = vae.decoder(vae.encoder(2 * images - 1))
    mean, std = latent_moments(vae, images)
    fold_statistics(vae, torch.zeros(3), std)
    with torch.no_grad():
        latents = vae.encode(2 * images - 1).latent
        decoded = vae.decode(latents).sample
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(3), rtol=1e-4, atol=0)
    torch.testing.assert_close(latents.mean((0, 2, 3)), mean / std, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(decoded, expected, rtol=0, atol=1e-3)


def test_the_mean_is_folded_inside_the_border(vae):
    latents = torch.randn(2, 3, 12, 12)
    first = vae.decoder.conv_in
    with torch.no_grad():
        expected = first(latents)
    mean, std = torch.tensor([0.5, -1.0, 0.1]), torch.tensor([2.0, 1.0, 0.5])
    fold_statistics(vae, mean, std)
    with torch.no_grad():
        found = first((latents - mean.view(-1, 1, 1)) / std.view(-1, 1, 1))
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_moments_that_cannot_be(vae):
    with pytest.raises(ValueError, match="allowed: positive numbers"):
        fold_statistics(vae, torch.zeros(3), torch.tensor([1.0, 0.0, 1.0]))
