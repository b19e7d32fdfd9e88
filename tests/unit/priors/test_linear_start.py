import pytest
import torch
from torch.nn import functional as F

from inverter.config import AutoencoderConfig
from inverter.priors.autoencoder import build_autoencoder, start_from_principal_components
from inverter.priors.linear_start import start_from_least_squares


@pytest.fixture
def images() -> torch.Tensor:
    coarse = torch.rand(24, 3, 6, 6)
    return F.interpolate(coarse, size=32, mode="bicubic").clamp(0, 1)


def build(decoder_width: int = 52):
    config = AutoencoderConfig(
        encoder_width=48,
        decoder_width=decoder_width,
        latent_channels=8,
        encoder_blocks=[0, 0, 1],
        decoder_blocks=[1, 1, 0],
    )
    return build_autoencoder(config)


def error(vae, images: torch.Tensor) -> float:
    with torch.no_grad():
        return F.mse_loss(vae.decoder.layers(vae.encoder.layers(images)), images).item()


def test_a_fresh_decoder_draws_smooth_pictures(images):
    vae = build()
    start_from_principal_components(vae, images)
    start_from_least_squares(vae, images[:16])
    assert error(vae, images[16:]) < 0.05 * images.var().item()  # pictures that it was not fitted to


def test_a_constant_picture_comes_back(images):
    flat = torch.linspace(0.1, 0.9, 24).view(-1, 1, 1, 1).expand(24, 3, 32, 32)
    vae = build()
    start_from_principal_components(vae, torch.cat([images, flat]))
    start_from_least_squares(vae, torch.cat([images, flat]))
    with torch.no_grad():
        recon = vae.decoder.layers(vae.encoder.layers(flat))
    assert (recon - flat)[..., 8:-8, 8:-8].abs().max() < 0.05


def test_a_narrow_decoder_is_left_alone(images):
    vae = build(decoder_width=20)
    start_from_principal_components(vae, images)
    before = {name: value.clone() for name, value in vae.decoder.state_dict().items()}
    start_from_least_squares(vae, images)
    assert all(torch.equal(value, before[name]) for name, value in vae.decoder.state_dict().items())
