"""Schema of the ladder: inverters that are trained, evaluated and published one after another."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config import DrawConfig
from inverter.config.evaluation import JUDGES


@dataclass
class RungConfig:
    name: str = MISSING  # of the published inverter
    after: str | None = None  # rung that has to be published first, as where its denoiser is the prior's
    prepare: list[str] = field(default_factory=list)  # words of the stage, behind the ladder's own
    train: list[str] = field(default_factory=list)  # likewise
    evaluate: list[str] = field(default_factory=list)  # likewise


@dataclass
class LadderConfig:
    rungs: list[RungConfig] = MISSING  # the inverters, in the order in which they are trained
    only: list[str] | None = (
        None  # names that this machine takes, [] for the page alone; null: all that no other works on
    )
    prepare: list[str] = field(default_factory=lambda: ["prepare.yaml"])  # words of every rung's stage
    splits: dict[str, list[str]] = field(
        default_factory=lambda: {"train": [], "dev": ["prepare_dev.yaml"], "val": ["prepare_val.yaml"]}
    )  # words of prepare for each split, behind those
    train: list[str] = field(default_factory=lambda: ["train.yaml", "train_long.yaml"])  # likewise
    evaluate: list[str] = field(default_factory=list)  # likewise
    draws: list[DrawConfig] = field(
        default_factory=lambda: [DrawConfig(guidance_scale=scale) for scale in (1.5, 2.5, 4.0)]
    )  # ways to draw, of which the best on dev is published
    num_dev: int = 160  # pictures of dev on which they are compared
    judges: list[str] = field(default_factory=lambda: list(JUDGES))  # that compare them
    pairs: str = "data/shards"  # pairs go to PAIRS/NAME
    published: str = "checkpoints"  # folder of the published inverters
    overwrite: bool = False  # replace inverters of these names there, and the tuned denoiser that others may need
    output: str = "runs/ladder"  # runs go to OUTPUT/NAME
    seed: int = 0
