"""``adversarial``: features from which a decoder, trained along, reconstructs badly."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.defences.kinds import DEFENCES, Defence, DefenceConfig
from inverter.run.registry import deferred


@dataclass
class AdversarialConfig(DefenceConfig):
    kind: str = "adversarial"
    weight: float = 1.0  # of the decoder's error, relative to that of the mean picture
    decoder_width: int = 32  # channels of the decoder
    decoder_lr: float = 1e-3  # its learning rate, on the same schedule


DEFENCES.register("adversarial", Defence(deferred("inverter.defences.modules.adversarial:build"), AdversarialConfig))
