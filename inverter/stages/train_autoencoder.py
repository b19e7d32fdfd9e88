"""Stage ``train_prior autoencoder``: images to latents and back."""

from __future__ import annotations

import logging
from pathlib import Path

import lightning as L
import torch

from inverter.config import AutoencoderConfig
from inverter.data.image_module import ImageShardModule
from inverter.lock import locked
from inverter.loggers import close_loggers
from inverter.priors.autoencoder import AutoencoderModule, start_from_principal_components
from inverter.run_record import record_run
from inverter.training import build_trainer, fit, resume_path

log = logging.getLogger(__name__)


def run(config: AutoencoderConfig) -> Path:
    """Train, then write the averaged weights to ``OUTPUT/vae`` in diffusers' format."""
    with locked(Path(config.output)):
        return train(config, Path(config.output))


def train(config: AutoencoderConfig, output: Path) -> Path:
    """What ``run`` does in an output that is its own."""
    checkpoint = resume_path(config, "train_autoencoder")
    record_run(config, output, "train_autoencoder")
    L.seed_everything(config.seed, verbose=False)
    data = ImageShardModule(config.data, config.resolution, config.seed)
    module = AutoencoderModule(config)
    if checkpoint is None:
        images = torch.cat([batch["image"] for batch, _ in zip(data.val_dataloader(), range(64), strict=False)])
        start_from_principal_components(module.vae, images, config.latent_std)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer = build_trainer(config.optim, config.trainer, output, monitor="val/psnr")
    fit(trainer, module, data, checkpoint)
    close_loggers(trainer.loggers)
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    module.vae.save_pretrained(output / "vae", safe_serialization=True)
    log.info("autoencoder in %s", output / "vae")
    return output / "vae"
