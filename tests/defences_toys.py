"""A toy classifier that can be split, and a moment of training a defence for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inverter.config import OptimConfig, TargetConfig, TrainerConfig
from inverter.defences.config import DefendConfig, DefendPicturesConfig
from inverter.defences.kinds import DefenceConfig

TOY = """
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        return x + self.inner(x).relu()


def build():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), Block(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 5)
    )

"""
SIZES = {
    "adversarial": {"decoder_width": 4},
    "disco": {"decoder_width": 4},
    "bottleneck": {"channels": 2},
    "cem": {"num_clusters": 4},
}


@pytest.fixture(scope="session", autouse=True)
def toy_network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a network of 5 classes with layers ``0`` to ``6``; ``3.inner`` is passed by."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "toy_defended.py").write_text(TOY)
    sys.path.insert(0, str(folder))
    return "module:toy_defended:build"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 24 pictures of 20 pixels a side to train on."""
    return draw_pictures(tmp_path_factory.mktemp("pictures"), 24, seed=0)


@pytest.fixture(scope="session")
def dev_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 8 others."""
    return draw_pictures(tmp_path_factory.mktemp("pictures"), 8, seed=1)


def draw_pictures(folder: Path, count: int, seed: int) -> Path:
    """Fill a folder with smooth pictures."""
    random = np.random.default_rng(seed)
    for number in range(count):
        coarse = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((20, 20), Image.Resampling.BICUBIC).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="session")
def defend_config(toy_network: str, pictures: Path, dev_pictures: Path) -> Callable[..., DefendConfig]:
    """Function from an output folder and a kind to a config that trains for a moment."""

    def make(output: Path, kind: str = "nopeek", layer: str = "2", **settings: object) -> DefendConfig:
        optim = OptimConfig(lr=1e-2, max_steps=4, max_time=None, precision="fp32", warmup_steps=1, patience=None)
        return DefendConfig(
            target=TargetConfig(name=toy_network, layer=layer, input_size=16),
            defence=replace(DefenceConfig.of_kind(kind), **{**SIZES.get(kind, {}), **settings}),
            data=DefendPicturesConfig(
                source=f"folder:{pictures}",
                dev=f"folder:{dev_pictures}",
                dev_pictures=8,
                resolution=16,
                crop=1,
                batch_size=8,
                num_workers=0,
            ),
            optim=optim,
            trainer=TrainerConfig(device="cpu", every_n_seconds=0, progress=False),
            output=str(output),
        )

    return make
