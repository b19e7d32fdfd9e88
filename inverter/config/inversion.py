"""Schemas of inverting, and of publishing what inverts."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config.memory import MemoryConfig
from inverter.config.pairs import TargetConfig, VideoConfig
from inverter.config.values import TEXT
from inverter.config.whitebox import MethodsConfig


@dataclass
class SenderConfig:
    """What sends the features; null is what the inverter says, with white-box methods what other stages take."""

    name: str | None = None  # timm:, torchvision: or transformers:NAME, module:PACKAGE.MODULE:FACTORY
    layer: str | None = None  # dotted name, as in named_modules(); `inverter layers TARGET` lists them
    input_size: int | None = None  # pixels a side that the target sees
    payload: str | None = None  # identity | int8 | gaussian:STD
    pretrained: bool = True

    def filled(self) -> TargetConfig:
        """With what other stages take in place of null."""
        return TargetConfig(**{key: value for key, value in vars(self).items() if value is not None})


@dataclass
class InvertConfig(MethodsConfig):
    method: str = "blackbox"  # blackbox | direct | latent | guided | hybrid; the last four differentiate the target
    target: SenderConfig = field(default_factory=SenderConfig)
    layers: list[str] | None = None  # white-box: several tapped layers, inverted jointly; null: target.layer alone
    inverter: str | None = None  # a name in checkpoints/, folder, hub id or (blackbox) run; null: LAYER-SIZE or LAYER
    prior: str | None = None  # null: the inverter's, else embedded; black-box: where the inverter's lies here
    memory: MemoryConfig = field(default_factory=MemoryConfig)  # of the prior
    image_size: int | None = None  # pixels a side with method=direct; null: the prior's
    input: str = MISSING  # picture, clip, features (.npy, .safetensors), folder of one kind, image shards
    video: VideoConfig = field(default_factory=VideoConfig)  # of a clip
    limit: int | None = None  # invert the first N inputs only
    operating_point: str = "mean"  # mean | sample
    prompt: str | None = field(
        default=None, metadata=TEXT
    )  # text for sample and for white-box methods with a prior; null: predicted, else empty
    prompts: str | None = None  # CSV with key,prompt or key,foreground,background, or image shards; others: prompt
    prompt_kind: str = "both"  # what is taken of them: both | foreground | background | none
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


@dataclass
class DoctorConfig:
    path: str = "."  # folder on whose disk runs and pair shards would be written
