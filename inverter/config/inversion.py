"""Schemas of inverting, and of publishing what inverts."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config.pairs import TargetConfig, VideoConfig
from inverter.config.whitebox import MethodsConfig


@dataclass
class InvertConfig(MethodsConfig):
    method: str = "blackbox"  # blackbox | direct | latent | guided | hybrid; the last four differentiate the target
    target: TargetConfig = field(default_factory=TargetConfig)  # names the inverter in invert.yaml
    layers: list[str] | None = None  # white-box: several tapped layers, inverted jointly; null: target.layer alone
    inverter: str = "blocks.2"  # a name under checkpoints/, a folder or a hub id; it knows its own target
    prior: str | None = None  # white-box; null: the inverter's, else embedded
    image_size: int | None = None  # pixels a side with method=direct; null: the prior's
    input: str = MISSING  # a picture, a clip (white-box), features (.npy, .safetensors), or a folder of one kind
    video: VideoConfig = field(default_factory=VideoConfig)  # of a clip
    limit: int | None = None  # white-box: invert the first N inputs only
    operating_point: str = "mean"  # mean | sample
    prompt: str | None = None  # text for sample and for white-box methods with a prior; null: predicted, else empty
    prompts: str | None = None  # CSV with key,prompt or key,foreground,background; images not in it take prompt
    prompt_kind: str = "both"  # what is taken of a CSV: both | foreground | background | none
    guidance_scale: float | None = None  # null: as the inverter was published, 1 with white-box methods
    strength: float | None = None  # null: as the inverter was published
    output: str = "runs/invert"
    batch_size: int = 16
    device: str = "auto"
    seed: int = 0


@dataclass
class PublishConfig:
    run: str = MISSING  # a training run with its evaluation
    name: str = MISSING  # name of the published inverter
    output: str = "checkpoints"
    licence: str = "apache-2.0"
    preview: str | None = None  # evaluation folder whose pictures may be shown; null: no preview
    overwrite: bool = False


@dataclass
class ListConfig:
    path: str | None = None  # folder of published priors and inverters; null: checkpoints/
