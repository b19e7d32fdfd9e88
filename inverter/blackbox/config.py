"""Schema of training a black-box model from pair shards."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.blackbox.models import ModelConfig
from inverter.config import DataConfig, MemoryConfig, OptimConfig, TargetConfig, TrainerConfig


@dataclass
class TrainConfig:
    target: TargetConfig = field(default_factory=TargetConfig)  # checked against the shards' manifest
    prior: str = "embedded"
    memory: MemoryConfig = field(default_factory=MemoryConfig)  # of the prior
    start_from: str | None = None  # published inverter or run of the same layer and sizes, with whose weights to begin
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=lambda: ModelConfig.of_kind("inverter"))
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    channels_last: bool = True  # memory layout of the weights that convolutions like on CPUs with AMX and on GPUs
    compile: bool = False  # torch.compile what is trained; takes a while at the start, so for long runs on a GPU
    output: str = MISSING
    resume: bool = True  # go on from OUTPUT/checkpoints/last.ckpt when it is there
    seed: int = 0
