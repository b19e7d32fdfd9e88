"""Schemas of what all white-box methods share: the loop, and the smoothing of clips."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class LoopConfig:
    distance: str = "mse"  # mse (normalised, ours) | sum (the paper's plain sum of squares) | cosine (DRAG's)
    statistics: str = "auto"  # what mse is normalised by: auto | inverter | features | folder of a manifest.json
    max_queries: int | None = None  # target queries an image; null: as many as the method has steps
    max_seconds: float | None = None  # an image; a batch of n images has n times as long
    tolerance: float = 0.0  # feature loss at which an image is finished
    patience: int | None = 200  # steps without min_improvement that finish an image; not where a schedule is run out
    min_improvement: float = 1e-3  # share of the feature loss
    precision: str = "fp32"  # fp32 | bf16 (autocast; a step that is not finite is done again in fp32) | auto
    save_every_n_seconds: float = 30.0  # between two states that a stopped run goes on from
    resume: bool = True  # go on from OUTPUT/state when it is there


@dataclass
class SmoothingConfig:
    weight: float = 0.0  # of mean (z_i - z_(i-1))^2 over frames and numbers; ours: the paper sums, and gives no figure
    robust: bool = True  # a pair's weight falls with the distance of the frames' features; false is the paper's form
    robust_scale: float = 2.0  # distance, in medians of the clip, at which a pair's weight is 1/e
    warm_start: bool = True  # a frame starts where the frame before it does or did
    window: int = 16  # frames inverted jointly
    overlap: int = 2  # frames that a window shares with the one before
