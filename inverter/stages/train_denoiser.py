"""Stage ``train_prior denoiser``: a text-conditional U-Net on an autoencoder's latents, and the finished prior."""

from __future__ import annotations

import logging
from pathlib import Path

import diffusers
import lightning as L
import torch
from transformers import CLIPTokenizer

from inverter.config import DenoiserConfig
from inverter.data.image_module import read_captions
from inverter.data.latent_module import LatentModule
from inverter.data.pictures import derive_seed
from inverter.lock import locked
from inverter.loggers import close_loggers
from inverter.priors.denoiser import DenoiserModule
from inverter.priors.prior import DiffusionPrior, folder_sha256
from inverter.priors.text import train_tokenizer
from inverter.run_record import record_run
from inverter.training import build_trainer, fit, resume_path

log = logging.getLogger(__name__)


def run(config: DenoiserConfig) -> Path:
    """Train, then write the whole prior to ``OUTPUT/prior``, as ``load_prior`` and diffusers read it."""
    with locked(Path(config.output)):
        return train(config, Path(config.output))


def train(config: DenoiserConfig, output: Path) -> Path:
    """What ``run`` does in an output that is its own."""
    checkpoint = resume_path(config, "train_denoiser")
    record_run(config, output, "train_denoiser")
    L.seed_everything(config.seed, verbose=False)
    vae = diffusers.AutoencoderTiny.from_pretrained(config.autoencoder, use_safetensors=True).eval()
    vae = vae.to(memory_format=torch.channels_last)
    weights = folder_sha256(Path(config.autoencoder).parent, (Path(config.autoencoder).name,))
    cache = output / "latents" / f"{derive_seed(weights, config.data.shards, config.data.dev):016x}"
    data = LatentModule(config.data, vae, config.resolution, cache, config.prompt_dropout)
    tokenizer, prompts = _tokenizer(config, output)
    side = config.resolution // 2 ** (len(vae.config.block_out_channels) - 1)
    module = DenoiserModule(config, (vae.config.latent_channels, side, side), tokenizer)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer = build_trainer(config.optim, config.trainer, output, monitor="val/loss", mode="min")
    fit(trainer, module, data, checkpoint)
    close_loggers(trainer.loggers)
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    prior = DiffusionPrior(vae, module.unet, module.scheduler, module.text_encoder, tokenizer, prompts=prompts)
    prior.to(memory_format=torch.contiguous_format).half().save(output / "prior")  # type: ignore[call-overload]
    log.info("prior in %s", output / "prior")
    return output / "prior"


def _tokenizer(config: DenoiserConfig, output: Path) -> tuple[CLIPTokenizer, list[str]]:
    """Tokenizer for the captions, and a spread of captions to draw samples with."""
    captions = [texts["caption"] for texts in read_captions(config.data.shards)]
    saved = output / "tokenizer"
    if saved.is_dir():
        tokenizer = CLIPTokenizer.from_pretrained(saved)
    else:
        tokenizer = train_tokenizer(captions, config.vocabulary, config.num_tokens)
        tokenizer.save_pretrained(saved)
    return tokenizer, sorted(set(captions[:: max(len(captions) // 4096, 1)]))
