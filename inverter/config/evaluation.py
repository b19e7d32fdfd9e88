"""Schemas of measuring an inverter."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config.memory import MemoryConfig
from inverter.config.pairs import TargetConfig

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
    static: str | None = None  # also attack as it is with one of the same layer without payload or defence
    accept: list[str] = field(
        default_factory=list
    )  # differs from the pairs trained on: weights_sha256 | payload | defence
    queries: int | None = None  # also attack with the mean features of so many queries of a picture, each noised anew
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
