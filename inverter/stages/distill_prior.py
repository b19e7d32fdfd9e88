"""Stage ``train_prior distill``: a LoRA with which a trained prior draws in one to four steps."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor
from torchvision.utils import make_grid

from inverter.config import DistillConfig
from inverter.priors.families.stable_diffusion import DENOISER
from inverter.priors.few_step import lora_state, save_lora
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior
from inverter.priors.training.distillation import DistillModule
from inverter.priors.training.latent_data import LatentModule
from inverter.priors.variant import FOLDER, SUFFIX, WEIGHTS
from inverter.priors.weights import folder_sha256
from inverter.run.callbacks.picture_grid import PictureGrid
from inverter.run.device import pick_device
from inverter.run.hub import find_prior
from inverter.run.summary import save_summary
from inverter.run.training import TrainingRun, training_output

log = logging.getLogger(__name__)
STAGE = "distill_prior"
STEPS = (1, 2, 4)


def run(config: DistillConfig) -> Path:
    """Train, then write the LoRA to ``OUTPUT/lora`` and, with ``publish=true``, into the prior's folder."""
    with training_output(config) as output:
        return train(config, output)


def train(config: DistillConfig, output: Path) -> Path:
    """What ``run`` does in an output that is its own."""
    run = TrainingRun(config, STAGE)
    folder = find_prior(config.prior)
    prior = load_prior(config.prior).to(pick_device(config.trainer.device))
    weights = folder_sha256(folder, ("vae",))
    drawn = (config.prompt_dropout, config.views, config.seed)
    data = LatentModule(config.data, prior.vae, prior.tokenizer, prior.resolution, output, *drawn, weights)
    module = DistillModule(config, prior)
    log.info("LoRA of %d parameters", module.num_parameters)
    grid = PictureGrid(output, "val/samples", lambda _, batch: _samples(prior, batch["prompt"][: config.grid_prompts]))
    trainer = run.fit(module, data, [grid], weights=("prior", prior.weights_sha256))
    if not trainer.is_global_zero:
        return output / FOLDER
    summary = save_summary(trainer, config, STAGE)
    denoiser = folder_sha256(folder, DENOISER)
    about = {"denoiser_sha256": denoiser, "guidance_scale": config.guidance_scale, "training": summary}
    state = lora_state(prior.denoiser)
    path = save_lora(state, output / FOLDER / WEIGHTS, about)
    if config.publish:
        save_lora(state, folder / FOLDER / WEIGHTS, about)
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
