"""Schemas of what sends the features, of publishing what inverts them, and of the list of what is published."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config.pairs import TargetConfig
from inverter.config.values import CHAIN


@dataclass
class SenderConfig:
    """What sends the features; null is what the inverter says, with white-box methods what other stages take."""

    name: str | None = None  # timm:, torchvision: or transformers:NAME, module:PACKAGE.MODULE:FACTORY
    layer: str | None = None  # dotted name, as in named_modules(); `inverter layers TARGET` lists them
    input_size: int | None = None  # pixels a side that the target sees
    payload: str | None = field(default=None, metadata=CHAIN)  # docs/payloads.md; several: [topk:0.1,int8]
    pretrained: bool = True
    defence: str | None = None  # folder of a trained defence; null: undefended

    def filled(self) -> TargetConfig:
        """With what other stages take in place of null."""
        return TargetConfig(**{key: value for key, value in vars(self).items() if value is not None})


@dataclass
class PublishConfig:
    run: str = MISSING  # a training run with its evaluation
    name: str = MISSING  # name of the published inverter
    output: str = "checkpoints"
    licence: str = "apache-2.0"  # of the weights, in the model card
    preview: str | None = None  # evaluation folder whose pictures may be shown; null: no preview
    overwrite: bool = False  # replace a published inverter of this name


@dataclass
class ListConfig:
    path: str | None = None  # folder of published priors and inverters; null: checkpoints/


@dataclass
class DoctorConfig:
    path: str = "."  # folder on whose disk runs and pair shards would be written
