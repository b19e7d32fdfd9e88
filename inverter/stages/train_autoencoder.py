"""Stage ``train_prior autoencoder``: images to latents and back."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from diffusers import AutoencoderDC
from torch import Tensor

from inverter.config import AutoencoderConfig
from inverter.config.errors import one_line
from inverter.data.image_module import ImageShardModule
from inverter.data.picture_cache import first_pictures
from inverter.priors.parts import load_autoencoder
from inverter.priors.training.autoencoder import AutoencoderModule
from inverter.priors.training.folding import fold_statistics, latent_moments
from inverter.priors.training.linear_start import start_linear
from inverter.priors.training.renewal import prior_to_renew, renew_prior
from inverter.run.callbacks.picture_grid import PictureGrid
from inverter.run.callbacks.reconstructions import reconstruction_grid
from inverter.run.files import whole_folder
from inverter.run.summary import save_summary
from inverter.run.training import TrainingRun, training_output

log = logging.getLogger(__name__)
STAGE = "train_autoencoder"
NUM_SAMPLE = 2048  # training pictures that the last moments come from
NUM_START = 512  # of them, that the linear start comes from


def run(config: AutoencoderConfig) -> Path:
    """Train, then write the averaged weights to ``OUTPUT/vae`` in diffusers' format.

    Where it was anchored to a prior's, ``OUTPUT/prior`` is that prior with the new autoencoder.
    """
    with training_output(config) as output:
        return train(config, output)


def start(vae: AutoencoderDC, config: AutoencoderConfig, sample: Tensor) -> None:
    """Give a fresh autoencoder the weights that training begins with.

    Raises:
        ValueError: ``start_from`` holds no autoencoder, or one of other sizes. It may have fewer encoder blocks at the
            last resolution: a residual block that it lacks begins as the identity.
    """
    if config.start_from is None:
        start_linear(vae, sample[:NUM_START])
        return
    try:
        keys = vae.load_state_dict(load_autoencoder(Path(config.start_from)).state_dict(), strict=False)
        last = f"encoder.down_blocks.{len(config.widths)}."
        if wrong := [*keys.unexpected_keys, *(key for key in keys.missing_keys if not key.startswith(last))]:
            raise ValueError(f"weight {wrong[0]} is of one of the two only")
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"start_from={config.start_from} is no autoencoder of these sizes: {one_line(error)}"
        ) from error


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
        start(module.vae, config, sample)
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
