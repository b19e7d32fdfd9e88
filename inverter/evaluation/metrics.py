"""Metrics of a reconstruction against its image, one value per image; distributions are compared elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.image import LearnedPerceptualImagePatchSimilarity

from inverter.losses.feature import feature_cosine as feature_cosine
from inverter.losses.quality import quantise, to_bytes

PICTURE_SIDE = 128


@dataclass(frozen=True)
class Missing:
    """A metric that was not computed, and why; never a number that looks like a result."""

    metric: str
    reason: str


def to_pictures(images: Tensor) -> Tensor:
    """``to_bytes`` at no more than 128 pixels a side: what is kept of every image for the report and for searches."""
    side = max(images.shape[-2:])
    if side > PICTURE_SIDE:
        size = [round(length * PICTURE_SIDE / side) for length in images.shape[-2:]]
        images = F.interpolate(images, size, mode="area")
    return to_bytes(images)


def load_lpips(device: torch.device | str = "cpu") -> Callable[[Tensor, Tensor], Tensor] | Missing:
    """LPIPS (AlexNet, version 0.1) as a function of ``recon`` and ``image`` in [0, 1], or why there is none.

    Only weights that are already in torch's hub folder are used: nothing is ever downloaded.
    """
    from torchvision.models import AlexNet_Weights

    file = Path(torch.hub.get_dir()) / "checkpoints" / AlexNet_Weights.DEFAULT.url.rsplit("/", 1)[-1]
    if not file.is_file():
        return Missing(
            "lpips", f"AlexNet weights are not on disk ({file.name} in torch's hub folder); never downloaded"
        )
    metric = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True, reduction="none").to(device)

    def lpips(recon: Tensor, image: Tensor) -> Tensor:
        metric.update(quantise(recon), quantise(image))
        distance = metric.compute().reshape(-1).detach()
        metric.reset()
        return distance

    return lpips
