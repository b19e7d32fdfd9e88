import numpy as np
import pytest
import torch
from torch.nn import functional as F

from inverter.config import AutoencoderConfig
from inverter.priors.training.autoencoder import build_autoencoder
from inverter.priors.training.linear_start import start_linear


@pytest.fixture
def images() -> torch.Tensor:
    coarse = torch.rand(24, 3, 6, 6)
    return F.interpolate(coarse, size=32, mode="bicubic").clamp(0, 1)


def build(**changes):
    settings = {"latent_channels": 8, "widths": [16, 64], "encoder_blocks": [1, 1], "decoder_blocks": [1, 1]}
    return build_autoencoder(AutoencoderConfig(**{**settings, **changes}))


def reconstruct(vae, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return vae(2 * images - 1).sample / 2 + 0.5


def test_a_fresh_encoder_projects_on_the_principal_components(images):
    images = (images + 0.02 * torch.rand_like(images)).clamp(0, 1)
    vae = build(latent_channels=5)
    start_linear(vae, images)
    with torch.no_grad():
        found = vae.encode(2 * images - 1).latent.double().numpy()
    patches = images.double().numpy().reshape(24, 3, 8, 4, 8, 4).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 48)
    centred = patches - patches.mean(0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    projected = centred @ directions[:5].T / (values[:5] / np.sqrt(len(patches) - 1))
    flat = found.transpose(0, 2, 3, 1).reshape(-1, 5)
    signs = np.sign((flat * projected).sum(0))
    np.testing.assert_allclose(flat * signs, projected, atol=0.05)
    np.testing.assert_allclose(flat.std(0, ddof=1), 1, rtol=1e-2)


@pytest.mark.parametrize(
    "changes",
    [{}, {"widths": [16, 64, 256], "encoder_blocks": [1, 1, 1], "decoder_blocks": [1, 1, 1], "latent_channels": 16}],
    ids=["two stages", "three stages"],
)
def test_a_fresh_decoder_draws_smooth_pictures(images, changes):
    vae = build(**changes)
    start_linear(vae, images[:16])
    new = images[16:]  # that it was not fitted to
    assert F.mse_loss(reconstruct(vae, new), new) < 0.05 * new.var()


def test_it_is_nearly_as_good_as_the_principal_components(images):
    noisy = (images + 0.2 * torch.randn_like(images)).clamp(0, 1)
    vae = build(latent_channels=12)
    start_linear(vae, noisy)
    patches = F.pixel_unshuffle(noisy, 4).movedim(1, -1).flatten(0, 2)
    lost = torch.linalg.eigvalsh(torch.cov(patches.T, correction=0))[:-12].sum() / 48
    assert F.mse_loss(reconstruct(vae, noisy), noisy) < 1.1 * lost


def test_a_decoder_whose_shortcuts_mix_channels_keeps_its_start(images):
    vae = build(widths=[16, 32])
    before = {name: value.clone() for name, value in vae.decoder.state_dict().items()}
    start_linear(vae, images)
    assert all(torch.equal(value, before[name]) for name, value in vae.decoder.state_dict().items())


def test_more_channels_than_a_patch_has_numbers(images):
    with pytest.raises(ValueError, match="latent_channels is 49; allowed here: 48 or fewer"):
        start_linear(build(latent_channels=49), images)
