"""Stage ``train_prior distill``: a LoRA with which a trained prior draws in one to four steps."""

from __future__ import annotations

import logging
from pathlib import Path

import lightning as L
import torch
from torch import Tensor
from torchvision.utils import make_grid

from inverter.config import DistillConfig
from inverter.priors.few_step import save_lora
from inverter.priors.load import DENOISER, load_prior
from inverter.priors.parts import folder_sha256
from inverter.priors.prior import DiffusionPrior
from inverter.priors.training.distillation import DistillModule
from inverter.priors.training.latent_data import LatentModule
from inverter.priors.variant import FOLDER, SUFFIX
from inverter.run.callbacks.made_of import MadeOf
from inverter.run.callbacks.picture_grid import PictureGrid
from inverter.run.callbacks.step_seed import StepSeed
from inverter.run.device import pick_device
from inverter.run.hub import find_prior
from inverter.run.lock import locked
from inverter.run.loggers import close_loggers
from inverter.run.summary import save_summary, summarise
from inverter.run.training import build_trainer, find_tasks, fit, record_training, resume_path

log = logging.getLogger(__name__)
STAGE = "distill_prior"
STEPS = (1, 2, 4)


def run(config: DistillConfig) -> Path:
    """Train, then write the LoRA to ``OUTPUT/lora`` and, with ``publish=true``, into the prior's folder."""
    find_tasks(config.trainer)
    with locked(Path(config.output)):
        return train(config, Path(config.output))


def train(config: DistillConfig, output: Path) -> Path:
    """What ``run`` does in an output that is its own."""
    checkpoint = resume_path(config, STAGE)
    L.seed_everything(config.seed, verbose=False)
    folder = find_prior(config.prior)
    prior = load_prior(config.prior).to(pick_device(config.trainer.device))
    weights = folder_sha256(folder, ("vae",))
    drawn = (config.prompt_dropout, config.views, config.seed)
    data = LatentModule(config.data, prior.vae, prior.tokenizer, prior.resolution, output, *drawn, weights)
    module = DistillModule(config, prior)
    log.info("LoRA of %d parameters", module.num_parameters)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    grid = PictureGrid(output, "val/samples", lambda _, batch: _samples(prior, batch["prompt"][: config.grid_prompts]))
    callbacks = [StepSeed(config.seed), grid, MadeOf("prior", prior.weights_sha256)]
    trainer = build_trainer(config.optim, config.trainer, output, monitor="val/loss", mode="min", callbacks=callbacks)
    record_training(trainer, config, STAGE, checkpoint)
    fit(trainer, module, data, checkpoint)
    close_loggers(trainer.loggers)
    if not trainer.is_global_zero:
        return output / FOLDER
    summary = summarise(trainer, output, STAGE, config.data.batch_size, "val/loss")
    save_summary(summary, output, STAGE)
    about = {"guidance_scale": config.guidance_scale, "training": summary}
    denoiser = folder_sha256(folder, DENOISER)
    path = save_lora(prior.denoiser, output, denoiser, **about)
    if config.publish:
        save_lora(prior.denoiser, folder, denoiser, **about)
        log.info("load_prior(%r) is the few-step variant", f"{config.prior}{SUFFIX}")
    log.info("LoRA in %s", path)
    return path.parent


def _samples(prior: DiffusionPrior, prompts: list[str]) -> Tensor:
    """Grid ``(3, H, W)``: a row of samples in 1, 2 and 4 steps each, the same noise each time."""
    conditioning, rows = prior.condition(prompts), []
    for steps in STEPS:
        fixed = torch.Generator().manual_seed(0)
        rows.append(prior.decode(prior.sample(conditioning, num_inference_steps=steps, generator=fixed)).float().cpu())
    return make_grid(torch.cat(rows), nrow=len(prompts))
