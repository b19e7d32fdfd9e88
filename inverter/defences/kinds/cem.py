"""``cem``: features that vary little around few centres, under noise: a bound on what any attack can restore."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.defences.kinds import DEFENCES, Defence, DefenceConfig
from inverter.run.registry import deferred


@dataclass
class CemConfig(DefenceConfig):
    kind: str = "cem"
    std: float = 0.1  # of the normal noise that is sent with the features, relative to theirs
    weight: float = 8.0  # of the mutual information's bound, in nats a number
    num_clusters: int = 16  # centres
    momentum: float = 0.05  # share of a centre that a batch renews


DEFENCES.register("cem", Defence(deferred("inverter.defences.modules.cem:build"), CemConfig))
