"""``noise``: weights that are fine-tuned to noise on the features, which is drawn anew for each picture."""

from __future__ import annotations

from dataclasses import dataclass, field

from inverter.config.values import CHAIN
from inverter.defences.kinds import DEFENCES, Defence, DefenceConfig
from inverter.run.registry import deferred


@dataclass
class NoiseConfig(DefenceConfig):
    kind: str = "noise"
    payload: str = field(default="gaussian:0.5", metadata=CHAIN)  # the noise: gaussian:STD, laplace:B, private:EPSILON


DEFENCES.register("noise", Defence(deferred("inverter.defences.modules.noise:build"), NoiseConfig))
