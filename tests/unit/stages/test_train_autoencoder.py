from dataclasses import replace

import pytest
import torch

from inverter.config import AutoencoderConfig
from inverter.priors.autoencoder import build_autoencoder
from inverter.stages.train_autoencoder import start

CONFIG = AutoencoderConfig(latent_channels=4, widths=[16, 64], encoder_blocks=[1, 1], decoder_blocks=[1, 1])


def test_training_begins_with_another_one_or_with_the_best_linear_one(tiny_prior, tiny_prior_folder):
    images = torch.rand(8, 3, 32, 32)
    vae = build_autoencoder(CONFIG)
    start(vae, replace(CONFIG, start_from=str(tiny_prior_folder / "vae")), images)
    torch.testing.assert_close(vae.encoder(images), tiny_prior.vae.encoder(images))
    start(vae, CONFIG, images)
    latents = vae.encoder(2 * images - 1)
    torch.testing.assert_close(latents.var((0, 2, 3)), torch.ones(4), rtol=0.02, atol=0.02)


def test_another_one_of_other_sizes_or_none_at_all(tiny_prior_folder, tmp_path):
    for folder, config in ((tiny_prior_folder / "vae", replace(CONFIG, latent_channels=5)), (tmp_path, CONFIG)):
        with pytest.raises(ValueError, match=f"start_from={folder} is no autoencoder of these sizes: "):
            start(build_autoencoder(config), replace(config, start_from=str(folder)), torch.rand(8, 3, 32, 32))
