"""Schemas of the experiments: what is compared, on which pictures, at which cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from inverter.config.evaluation import JUDGES
from inverter.config.pairs import NetworkConfig, VideoConfig
from inverter.config.whitebox import MethodsConfig


@dataclass
class PointConfig:
    layer: str = "blocks.2"  # dotted name
    input_size: int = 224  # pixels a side that the target sees
    images: int | None = None  # pictures at this layer; null: those of the experiment
    inverter: str | None = None  # published inverter; null: LAYER-SIZE or LAYER, where its features are these


@dataclass
class BudgetConfig:
    queries: int | None = None  # target queries an image
    seconds: float | None = None  # or seconds an image, from which the queries follow by a short measurement
    images: int | None = None  # pictures at most with this budget


@dataclass
class ExperimentConfig(MethodsConfig):
    target: NetworkConfig = field(default_factory=NetworkConfig)  # each layer has its own input_size
    prior: str = "embedded"
    seeds: list[int] = field(default_factory=lambda: [0])  # of the attacks: every picture is inverted with each
    judges: list[str] = field(default_factory=lambda: list(JUDGES))  # absent ones are left out
    num_bootstrap: int = 2000
    batch_size: int = 16
    max_time: float | None = None  # seconds; then no further batch begins, and what there is is written up
    device: str = "auto"
    seed: int = 0  # of the bootstrap


@dataclass
class PicturesConfig(ExperimentConfig):
    val: str | None = None  # image shards that nothing was trained on; null: photos that install with packages
    images: int = 32  # pictures, the first of val
    num_distractors: int = 1000  # of re-identification: the pictures of val behind them


@dataclass
class MethodsExperimentConfig(PicturesConfig):
    layers: list[PointConfig] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    budgets: list[BudgetConfig] = field(default_factory=list)
    output: str = "runs/experiments/methods"  # cells and reconstructions, which a stopped run goes on from
    results: str = "docs/results/methods"


@dataclass
class PromptsExperimentConfig(PicturesConfig):
    layers: list[PointConfig] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=lambda: ["none", "foreground", "background", "both", "wrong"])
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    guidance_scale: float = 1.0
    output: str = "runs/experiments/prompts"
    results: str = "docs/results/prompts"


@dataclass
class SmoothingExperimentConfig(ExperimentConfig):
    clips: list[str] = field(default_factory=list)  # video files, or clips of packages: bikes, carphone, bigbuckbunny
    cut: bool = True  # the first two cut together, too
    video: VideoConfig = field(default_factory=VideoConfig)
    frames: int = 32  # of each clip
    block: int = 4  # consecutive frames that intervals resample together
    layers: list[PointConfig] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=lambda: ["none", "start", "paper", "robust"])
    weights: list[float] = field(default_factory=lambda: [0.01, 0.1, 1.0])  # of paper and robust
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    output: str = "runs/experiments/smoothing"
    results: str = "docs/results/smoothing"


@dataclass
class SummaryConfig:
    results: str = "docs/results"  # holds methods/, prompts/ and smoothing/, as far as they were run
