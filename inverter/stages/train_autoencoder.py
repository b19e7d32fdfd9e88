"""Stage ``train_prior autoencoder``: images to latents and back."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from inverter.config import AutoencoderConfig
from inverter.data.image_module import ImageShardModule
from inverter.data.picture_cache import first_pictures
from inverter.priors.training.autoencoder import AutoencoderModule
from inverter.priors.training.folding import fold_statistics, latent_moments
from inverter.priors.training.linear_start import start_autoencoder
from inverter.priors.training.renewal import prior_to_renew, renew_prior
from inverter.run.callbacks.picture_grid import PictureGrid
from inverter.run.callbacks.reconstructions import reconstruction_grid
from inverter.run.files import whole_folder
from inverter.run.summary import save_summary
from inverter.run.training import TrainingRun, training_output

log = logging.getLogger(__name__)
STAGE = "train_autoencoder"
NUM_SAMPLE = 2048  # training pictures that the last moments come from


def run(config: AutoencoderConfig) -> Path:
    """Train, then write the averaged weights to ``OUTPUT/vae`` in diffusers' format.

    Where it was anchored to a prior's, ``OUTPUT/prior`` is that prior with the new autoencoder.
    """
    with training_output(config) as output:
        return train(config, output)


def train(config: AutoencoderConfig, output: Path) -> Path:
    """What ``run`` does in an output that is its own."""
    run = TrainingRun(config, STAGE)
    prior = weights = None
    if config.start_from and config.anchor_weight:
        prior, weights = prior_to_renew(Path(config.start_from), output)
    data = ImageShardModule(config.data, config.resolution, output, seed=config.seed)
    sample = first_pictures(config.data.shards, config.resolution, NUM_SAMPLE)
    module = AutoencoderModule(config)
    if not run.resumed:
        start_autoencoder(module.vae, config, sample)
        module.set_anchor()
    module.compile_parts()
    grid = PictureGrid(
        output,
        "val/reconstructions",
        lambda _, batch: reconstruction_grid(batch["image"][:8], module.reconstruct(batch["image"][:8])),
    )
    trainer = run.fit(module, data, [grid], weights=("start_from", weights) if weights is not None else None)
    if not trainer.is_global_zero:
        return output / "vae"
    vae = module.vae.cpu().float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if prior is None:  # latents of pictures of another kind need not be of unit variance under a prior's autoencoder
        fold_statistics(vae, *latent_moments(vae, sample))
    with whole_folder(output / "vae") as partial:
        vae.save_pretrained(partial, safe_serialization=True)
    summary = save_summary(trainer, config, STAGE)
    if prior is not None:
        renew_prior(prior, vae, summary, output / "prior")
        log.info("prior in %s", output / "prior")
    log.info("autoencoder in %s", output / "vae")
    return output / "vae"
