"""``siamese``: features that are alike where the answers are, and apart elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.defences.kinds import DEFENCES, Defence, DefenceConfig
from inverter.run.registry import deferred


@dataclass
class SiameseConfig(DefenceConfig):
    kind: str = "siamese"
    weight: float = 0.1  # of the contrastive loss
    margin: float = 2.0  # distance that features of different answers are pushed to, in deviations a number


DEFENCES.register("siamese", Defence(deferred("inverter.defences.modules.siamese:build"), SiameseConfig))
