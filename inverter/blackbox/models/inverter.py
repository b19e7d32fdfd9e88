"""``inverter``: an inverter trained from pairs, or several that share a denoiser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from inverter.blackbox.models import MODELS, BlackboxModel, ModelConfig
from inverter.run.registry import deferred


@dataclass
class InverterConfig(ModelConfig):
    kind: str = "inverter"
    conditioning: str = "control"  # control (features with their places) | tokens (their mean, in the text's place)
    width: int = 128  # channels of the conditioner's map at the latents' side
    coarse_width: int = 192  # channels of its coarser map; of control
    depth: int = 4  # residual blocks of the conditioner
    num_tokens: int = 24  # tokens predicted beside the latents, or as many as the prior takes; of tokens
    dropout: float = 0.0  # share of the conditioner's channels dropped while training
    tune: str = "none"  # what of the denoiser is trained along: none | lora | full
    rank: int = 16  # of the LoRA
    tune_lr: float = 0.25  # learning rate of the denoiser, as a share of the conditioner's
    null_share: float = 0.1  # share of the training features replaced by a learned null, for guidance; of control
    noise_level: float = (
        0.0  # half of the features get noise of up to this deviation, which the conditioner is told; of control
    )
    text_share: float = 0.15  # share of the steps with the pictures' texts beside the features
    alone_share: float = 0.1  # share of the steps of a tuned denoiser on the texts alone
    head: bool = True  # residual image head on top of the decoded latents
    head_width: int = 64
    latent_weight: float = 1.0
    image_weight: float = 1.0  # 0 with head=false decodes nothing while training
    head_weight: float = 1.0
    image_every_n_steps: int = 8  # steps between two that decode: the losses of image and head cost most of a step
    denoising_weight: float = 1.0  # of the loss that trains conditioner and denoiser
    denoising_every_n_steps: int = 1
    snr_gamma: float | None = 5.0  # bound of a timestep's weight; null is none
    text_weight: float = 1.0  # weight of the distance from the pictures' texts, where they have any; of tokens
    strength: float = 1.0  # of the sample operating point: 0 keeps the aligned latents, 1 starts from noise
    num_inference_steps: int = 10
    guidance_scale: float = 2.5
    guidance_interval: list[float] = field(default_factory=lambda: [0.0, 1.0])  # shares of the noise schedule

    readers: ClassVar = {
        **dict.fromkeys(("coarse_width", "noise_level", "null_share"), ("conditioning=control",)),
        **dict.fromkeys(("num_tokens", "text_weight"), ("conditioning=tokens",)),
        **dict.fromkeys(("tune_lr", "alone_share"), ("tune=lora", "tune=full")),
        "rank": ("tune=lora",),
        **dict.fromkeys(("head_width", "head_weight"), ("head=true",)),
    }


MODELS.register("inverter", BlackboxModel(deferred("inverter.blackbox.modules.inverter:build"), InverterConfig))
