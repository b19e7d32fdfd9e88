from dataclasses import replace

import pytest
import torch

from inverter.config import AutoencoderConfig
from inverter.priors.training.autoencoder import build_autoencoder
from inverter.priors.training.linear_start import start_autoencoder

CONFIG = AutoencoderConfig(latent_channels=4, widths=[16, 64], encoder_blocks=[1, 1], decoder_blocks=[1, 1])


def test_training_begins_with_another_one_or_with_the_best_linear_one(tiny_prior, tiny_prior_folder):
    images = torch.rand(8, 3, 32, 32)
    vae = build_autoencoder(CONFIG)
    start_autoencoder(vae, replace(CONFIG, start_from=str(tiny_prior_folder / "vae")), images)
    torch.testing.assert_close(vae.encoder(images), tiny_prior.vae.encoder(images))
    start_autoencoder(vae, CONFIG, images)
    latents = vae.encoder(2 * images - 1)
    torch.testing.assert_close(latents.var((0, 2, 3)), torch.ones(4), rtol=0.02, atol=0.02)


def test_blocks_that_the_other_lacks_begin_as_the_identity(tiny_prior, tiny_prior_folder):
    config = replace(CONFIG, encoder_blocks=[1, 3], start_from=str(tiny_prior_folder / "vae"))
    vae, images = build_autoencoder(config), torch.rand(2, 3, 32, 32)
    start_autoencoder(vae, config, images)
    torch.testing.assert_close(vae.encoder(images), tiny_prior.vae.encoder(images))


def test_blocks_that_only_the_other_has(tiny_prior_folder):
    for blocks in ({"encoder_blocks": [2, 1]}, {"decoder_blocks": [1, 2]}):
        config = replace(CONFIG, start_from=str(tiny_prior_folder / "vae"), **blocks)
        with pytest.raises(ValueError, match=r"is no autoencoder of these sizes: weight \w+coder\.[\w.]+ is of one of"):
            start_autoencoder(build_autoencoder(config), config, torch.rand(2, 3, 32, 32))


def test_another_one_of_other_sizes_or_none_at_all(tiny_prior_folder, tmp_path):
    for folder, config in ((tiny_prior_folder / "vae", replace(CONFIG, latent_channels=5)), (tmp_path, CONFIG)):
        with pytest.raises(ValueError, match=f"start_from={folder} is no autoencoder of these sizes: "):
            start_autoencoder(
                build_autoencoder(config), replace(config, start_from=str(folder)), torch.rand(8, 3, 32, 32)
            )
