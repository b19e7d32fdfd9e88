"""Schema of training a defended device's half."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config import DatasetConfig, OptimConfig, TargetConfig, TrainerConfig
from inverter.defences.kinds import DefenceConfig


@dataclass
class DefendPicturesConfig:
    source: str = "prior"  # pictures to train on, as prepare reads them: photos, prior, folder:PATH, shards:PATH, ...
    pictures: int | None = 2048  # the first so many; null: all, of photos 256
    dataset: DatasetConfig = field(default_factory=DatasetConfig)  # of torchvision: and huggingface:
    dev: str = "photos"  # other pictures, of validation, and that utility is measured on
    dev_pictures: int | None = 256  # the first so many; null: all
    dev_dataset: DatasetConfig = field(default_factory=DatasetConfig)  # of dev, likewise
    prior: str = "embedded"  # draws the pictures of source=prior
    labels: bool = False  # the pictures' labels are the target's classes
    resolution: int = 64  # pixels a side that pictures are kept at
    crop: int = 4  # pixels of random shift; mirrored too
    cache: str | None = None  # folder of the decoded pictures, which runs may share; null: OUTPUT/pictures
    batch_size: int = 32
    num_workers: int = 1


@dataclass
class DefendConfig:
    target: TargetConfig = field(default_factory=TargetConfig)
    defence: DefenceConfig = field(default_factory=lambda: DefenceConfig.of_kind("nopeek"))
    data: DefendPicturesConfig = field(default_factory=DefendPicturesConfig)
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(
            lr=3e-4, weight_decay=0.0, ema_decay=0.99, max_time=600, precision="fp32", patience=None
        )
    )
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    output: str = MISSING  # folder of the training and, in the end, of the defence, which target.defence names
    resume: bool = True  # go on from OUTPUT/checkpoints/last.ckpt when it is there
    seed: int = 0
