"""Schema of an audit, and what it shares with everything that prepares, trains and evaluates several attacks."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.blackbox.models import ModelConfig
from inverter.config import DataConfig, MemoryConfig, NetworkConfig, OptimConfig, TrainerConfig
from inverter.config.evaluation import JUDGES


@dataclass
class SplitConfig:
    source: str = "prior"  # as for prepare
    pairs: int | None = None  # number of pairs for each; null takes all that the source has
    augment: str = "none"  # none | jitter | vary
    max_time: int | None = None  # seconds for all together; stops after the shard under way
    seed: int = 0


@dataclass
class AttackConfig:
    prior: str = "embedded"
    memory: MemoryConfig = field(default_factory=MemoryConfig)  # of the prior in every step
    train: SplitConfig = field(default_factory=SplitConfig)
    dev: SplitConfig = field(default_factory=SplitConfig)
    val: SplitConfig = field(default_factory=SplitConfig)
    shard_size: int = 512
    feature_dtype: str = "float16"  # float16 | float32
    num_inference_steps: int | None = None  # of the prior source; null: 4, of a few-step variant 2
    data: DataConfig = field(default_factory=DataConfig)  # of training; data.path holds what stands for each one's name
    model: ModelConfig = field(default_factory=lambda: ModelConfig.of_kind("inverter"))
    optim: OptimConfig = field(default_factory=OptimConfig)  # budget of each training
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    judges: list[str] = field(default_factory=lambda: list(JUDGES))
    num_train: int | None = None  # training pairs searched by retrieval; null: all
    num_bootstrap: int = 2000
    metric: str = "reid_mrr"  # of the headline score: reid_mrr | reid_top1 | agreement | ssim | psnr | lpips
    num_pictures: int = 6  # shown for each
    output: str = MISSING
    seed: int = 0


@dataclass
class AuditConfig(AttackConfig):
    target: NetworkConfig = field(default_factory=NetworkConfig)
    layers: list[str] | None = None  # dotted names; null chooses num_layers of them, evenly spaced
    num_layers: int = 4
    threshold: float = 0.1  # score under which a split is recommended, in (0, 1]
    fail_above: str | None = None  # LAYER:SCORE[,LAYER:SCORE]: exit with status 3 where a score may be above it
