from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from inverter.evaluation.judges import Judge


class ColourClassifier:
    """Logits are the mean of each colour channel; the embedding is the picture shrunk to 3 x 3."""

    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return 10 * images.mean((2, 3)), F.adaptive_avg_pool2d(images, 3).flatten(1)


def make_batches(num_batches: int = 4, size: int = 3, seed: int = 0, prefix: str = "val") -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(seed)
    batches = []
    for number in range(num_batches):
        image = (torch.rand(size, 3, 16, 12, generator=generator) * 255).round() / 255
        keys = [f"{prefix}{number}-{i}" for i in range(size)]
        batches.append(
            {
                "key": keys,
                "image": image,
                "features": F.avg_pool2d(image, 2),  # (B, 3, 8, 6)
                "text": [f"<script>alert('{key}')</script>" for key in keys],
                "label": torch.full((size,), -1),
                "group": [f"{prefix}{number}" if i < 2 else key for i, key in enumerate(keys)],
            }
        )
    return batches


@pytest.fixture
def batches() -> list[dict[str, Any]]:
    return make_batches()


@pytest.fixture
def train_batches() -> list[dict[str, Any]]:
    return make_batches(3, 4, seed=1, prefix="train")


@pytest.fixture
def judge() -> Judge:
    return Judge("colour", "colour network (nothing)", ColourClassifier(), batch_size=2)
