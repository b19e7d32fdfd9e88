"""Schema of measuring a prior."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config.evaluation import JUDGES


@dataclass
class EvaluatePriorConfig:
    prior: str = "embedded"  # a name under checkpoints/, a folder or a hub id; with +few-step its variant
    val: str = MISSING  # image shards that took part in no training and no choice
    train: str | None = None  # image shards that the prior was trained on: floor, memorisation; null leaves these out
    cache: str | None = None  # folder of the decoded pictures; null: OUTPUT/pictures
    photos: bool = True  # also the round trip of photos that install with packages
    num_photos: int = 256  # crops of these photos
    num_samples: int = 5000  # pictures of each KID and FID
    num_text: int = 1000  # pictures drawn for prompted classes and backgrounds
    num_memory: int = 1000  # pictures compared with their nearest training picture
    num_speed: int = 64  # pictures drawn to measure speed
    steps: list[int] | None = None  # of KID at guidance_scale; null: 1, 2, 4, and of a base 8, 16, 32, too
    guidances: list[float] | None = None  # of KID at num_inference_steps; null: of a base 1, 2, 3, 5
    num_inference_steps: int | None = None  # null: 8, of a few-step variant 4
    guidance_scale: float | None = None  # null: 2, of a few-step variant 1, which is none
    judges: list[str] = field(default_factory=lambda: list(JUDGES))
    batch_size: int = 64
    num_bootstrap: int = 2000
    precision: str = "auto"  # auto | bf16 | fp32, of drawing; round trips and whatever measures run in float32
    output: str = MISSING
    device: str = "auto"
    resume: bool = True  # keep the parts that OUTPUT/prior_metrics.json holds
    seed: int = 0
