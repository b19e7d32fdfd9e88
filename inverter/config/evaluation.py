"""Schemas of measuring: one run, several layers of a target, this machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config.memory import MemoryConfig
from inverter.config.pairs import NetworkConfig, TargetConfig
from inverter.config.training import DataConfig, ModelConfig, OptimConfig, TrainerConfig

JUDGES = ("efficientnet-lite1", "residual")


@dataclass
class DrawConfig:
    """How ``sample`` draws; null is as the inverter was trained or published."""

    strength: float | None = None  # 0 keeps the aligned latents, 1 starts from noise
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    guidance_interval: list[float] | None = None  # shares of the noise schedule between which guidance acts


@dataclass
class EvaluateConfig:
    target: TargetConfig = field(default_factory=TargetConfig)  # names the run in eval.yaml
    inverter: str = MISSING  # a run folder or a published inverter (name, folder or hub id)
    prior: str | None = None  # where a published inverter's prior lies here; null: where the inverter says
    memory: MemoryConfig = field(default_factory=MemoryConfig)  # of the prior
    data: str | None = None  # folder of pair shards with val/ (and train/ for the floors); null takes the run's
    baseline: str | None = None  # run of the baseline, compared pair by pair
    draw: DrawConfig = field(default_factory=DrawConfig)  # what publishing keeps
    best_of: int | None = None  # also draw so many, query the target once each, and keep the nearest features
    surrogate: str | None = None  # run with model.kind=surrogate that ranks these draws, and no query; null: the target
    search_rounds: int = 0  # after that, draw as many again from the best, renoised, so many times
    judges: list[str] = field(default_factory=lambda: list(JUDGES))  # one without weights is reported as missing
    limit: int | None = None  # evaluate the first N pairs only
    num_train: int | None = None  # training pairs searched by the nearest-neighbour floor; null: as many as trained it
    batch_size: int = 32
    num_bootstrap: int = 2000
    output: str | None = None  # null: RUN/evaluation, or runs/evaluation-NAME of a published one
    precision: str = "auto"  # auto | bf16 | fp32, of the attacks; whatever measures runs in float32
    device: str = "auto"
    seed: int = 0


@dataclass
class SplitConfig:
    source: str = "prior"  # as for prepare
    pairs: int | None = None  # number of pairs a layer; null takes all that the source has
    augment: str = "none"  # none | jitter | vary
    max_time: int | None = None  # seconds for all layers together; stops after the shard under way
    seed: int = 0


@dataclass
class AuditConfig:
    target: NetworkConfig = field(default_factory=NetworkConfig)
    layers: list[str] | None = None  # dotted names; null chooses num_layers of them, evenly spaced
    num_layers: int = 4
    prior: str = "embedded"
    memory: MemoryConfig = field(default_factory=MemoryConfig)  # of the prior in every step
    train: SplitConfig = field(default_factory=SplitConfig)
    dev: SplitConfig = field(default_factory=SplitConfig)
    val: SplitConfig = field(default_factory=SplitConfig)
    shard_size: int = 512
    feature_dtype: str = "float16"  # float16 | float32
    num_inference_steps: int | None = None  # of the prior source; null: 4, of a few-step variant 2
    data: DataConfig = field(default_factory=DataConfig)  # of training; {layer} in data.path stands for the layer
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)  # budget of each layer
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    judges: list[str] = field(default_factory=lambda: list(JUDGES))
    num_train: int | None = None  # training pairs searched by retrieval; null: all
    num_bootstrap: int = 2000
    metric: str = "reid_mrr"  # of the headline score: reid_mrr | reid_top1 | agreement | ssim | psnr | lpips
    threshold: float = 0.1  # score under which a split is recommended, in (0, 1]
    fail_above: str | None = None  # LAYER:SCORE[,LAYER:SCORE]: exit with status 3 where a score may be above it
    num_pictures: int = 6  # shown for each layer
    output: str = MISSING
    seed: int = 0


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
