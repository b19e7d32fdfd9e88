"""Schema of training the second judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from inverter.config import OptimConfig
from inverter.config.parse import parse_json
from inverter.config.prior import ImageTrainingConfig


@dataclass
class JudgeConfig(ImageTrainingConfig):
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(ema_decay=0.0))  # batch statistics fit raw weights
    val: str | None = None  # image shards that the accuracy in the model card is of; null: of dev
    num_classes: int = 200
    classes: str | None = None  # JSON list of the class names, in the order of the labels; null: numbers
    resolution: int = 64
    widths: list[int] = field(default_factory=lambda: [32, 64, 128, 256])
    depths: list[int] = field(default_factory=lambda: [2, 2, 2, 2])  # residual blocks a stage
    min_crop: float = 0.6  # least side of a random crop, as a share of the picture's
    label_smoothing: float = 0.1
    max_parameters: int = 4_000_000
    compile: bool = False


def read_classes(path: str | None) -> tuple[str, ...]:
    """Names of the classes from a JSON list.

    Raises:
        ValueError: It cannot be read, or is no list of texts.
    """
    if path is None:
        return ()
    names = parse_json(Path(path).read_bytes())
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"classes: {path} holds no list of texts")
    return tuple(names)
