"""``bottleneck``: few learned channels, quantised, from which the server restores the layer's features."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.defences.kinds import DEFENCES, Defence, DefenceConfig
from inverter.run.registry import deferred


@dataclass
class BottleneckConfig(DefenceConfig):
    kind: str = "bottleneck"
    channels: int = 6  # that travel
    bits: int = 8  # a number, from 1 to 16
    weight: float = 1.0  # of the restored features' squared error, relative to their variance


DEFENCES.register("bottleneck", Defence(deferred("inverter.defences.modules.bottleneck:build"), BottleneckConfig))
