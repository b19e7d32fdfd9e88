"""``surrogate``: pictures to the features that the target would send, learned from the attacker's pairs."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.blackbox.models import MODELS, BlackboxModel, ModelConfig
from inverter.run.registry import deferred


@dataclass
class SurrogateConfig(ModelConfig):
    kind: str = "surrogate"
    width: int = 128  # channels at the features' side; half as many before
    depth: int = 4  # residual blocks there


MODELS.register("surrogate", BlackboxModel(deferred("inverter.blackbox.modules.surrogate:build"), SurrogateConfig))
