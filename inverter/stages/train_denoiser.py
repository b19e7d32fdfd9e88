"""Stage ``train_prior denoiser``: a text-conditional U-Net on an autoencoder's latents, and the finished prior."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch

from inverter.config import DenoiserConfig
from inverter.config.parse import parse_json
from inverter.priors.families.stable_diffusion import StableDiffusionPrior
from inverter.priors.index import TRAINING
from inverter.priors.parts import load_autoencoder
from inverter.priors.training.cost import GIGA
from inverter.priors.training.denoiser import DenoiserModule
from inverter.priors.training.latent_data import LatentModule
from inverter.priors.training.tokenizer import open_tokenizer
from inverter.priors.weights import folder_sha256
from inverter.run.callbacks.picture_grid import PictureGrid
from inverter.run.device import pick_device, place
from inverter.run.files import whole_folder, write_text
from inverter.run.summary import save_summary, summary_path
from inverter.run.training import TrainingRun, training_output

log = logging.getLogger(__name__)
STAGE = "train_denoiser"


def run(config: DenoiserConfig) -> Path:
    """Train, then write the whole prior to ``OUTPUT/prior``, as ``load_prior`` and diffusers read it."""
    with training_output(config) as output:
        return train(config, output)


def train(config: DenoiserConfig, output: Path) -> Path:
    """What ``run`` does in an output that is its own."""
    run = TrainingRun(config, STAGE)
    folder = Path(config.autoencoder)
    vae = load_autoencoder(folder).eval().requires_grad_(False)
    vae = place(vae, pick_device(config.trainer.device))
    weights = folder_sha256(folder.parent, (folder.name,))
    tokenizer, prompts = open_tokenizer(config, output, begun=run.resumed)
    drawn = (config.prompt_dropout, config.views, config.seed)
    data = LatentModule(config.data, vae, tokenizer, config.resolution, output, *drawn, weights)
    ratio = vae.spatial_compression_ratio
    if config.resolution % ratio:
        raise ValueError(f"resolution is {config.resolution}; allowed with {folder}: multiples of {ratio}")
    side = config.resolution // ratio
    module = DenoiserModule(config, (vae.config.latent_channels, side, side), tokenizer)
    log.info("denoiser: %.3f GMAC a forward pass", module.macs / GIGA)
    grid = PictureGrid(output, "val/samples", lambda _, batch: module.samples(vae, batch["prompt"]))

    def save_tokenizer() -> None:
        if not run.resumed:
            tokenizer.save_pretrained(output / "tokenizer")

    trainer = run.fit(module, data, [grid], weights=("autoencoder", weights), begin=save_tokenizer)
    if not trainer.is_global_zero:
        return output / "prior"
    module.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    prior = StableDiffusionPrior(vae, module.unet, module.scheduler, module.text_encoder, tokenizer, prompts=prompts)
    prior.to("cpu", memory_format=torch.contiguous_format).half()  # type: ignore[call-overload]
    summary = save_summary(trainer, config, STAGE, gmac=round(module.macs / GIGA, 3))
    training = {"denoiser": summary, **_autoencoder_summary(folder)}
    with whole_folder(output / "prior", keep=True) as partial:  # a LoRA and a card may lie there
        prior.save(partial)
        write_text(partial / TRAINING, json.dumps(training, indent=2) + "\n")
    log.info("prior in %s", output / "prior")
    return output / "prior"


def _autoencoder_summary(folder: Path) -> dict[str, Any]:
    """What trained the autoencoder, where its run still lies around it."""
    path = summary_path(folder.parent, "train_autoencoder")
    return {"autoencoder": parse_json(path.read_bytes())} if path.is_file() else {}
