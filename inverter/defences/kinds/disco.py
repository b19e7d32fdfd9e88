"""``disco``: channels pruned picture by picture, by a network that is trained against a decoder."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.defences.kinds import DEFENCES, Defence
from inverter.defences.kinds.adversarial import AdversarialConfig
from inverter.run.registry import deferred


@dataclass
class DiscoConfig(AdversarialConfig):
    kind: str = "disco"
    ratio: float = 0.5  # share of the channels that are pruned
    temperature: float = 0.03  # of the sigmoid whose gradient the choice of channels gets


DEFENCES.register("disco", Defence(deferred("inverter.defences.modules.disco:build"), DiscoConfig))
