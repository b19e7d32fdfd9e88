"""``nopeek``: features whose distances say little of the pictures' distances."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.defences.kinds import DEFENCES, Defence, DefenceConfig
from inverter.run.registry import deferred


@dataclass
class NopeekConfig(DefenceConfig):
    kind: str = "nopeek"
    weight: float = 3.0  # of the distance correlation, beside the server's divergence in nats


DEFENCES.register("nopeek", Defence(deferred("inverter.defences.modules.nopeek:build"), NopeekConfig))
