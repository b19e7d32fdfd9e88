"""Schema of measuring this machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from inverter.config import TargetConfig


@dataclass
class BenchConfig:
    target: TargetConfig = field(default_factory=TargetConfig)
    prior: str = "embedded"
    inverter: str = "blocks.2"  # the published inverter whose speed is measured; its features are the target layer's
    layers: list[str] = field(default_factory=lambda: ["blocks.0", "blocks.2", "blocks.4", "blocks.6"])
    parts: list[str] = field(default_factory=lambda: ["training", "inference", "memory", "large_prior"])
    pairs: int = 256
    batch_size: int = 32
    rounds: int = 5
    steps: int = 30  # training steps a round of the comparison with a bare loop
    output: str = "runs/bench"
    device: str = "auto"
    seed: int = 0
