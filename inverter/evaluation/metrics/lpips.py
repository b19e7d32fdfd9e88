"""``lpips``: distance of AlexNet's features, version 0.1."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from inverter.evaluation.metrics import METRICS, Context, ImageMetric, Missing
from inverter.losses.quality import quantise


def load_lpips(device: torch.device | str = "cpu") -> Callable[[Tensor, Tensor], Tensor] | Missing:
    """LPIPS as a function of ``recon`` and ``image`` in [0, 1], or why there is none.

    Only weights that are already in torch's hub folder are used: nothing is ever downloaded.
    """
    from torchvision.models import AlexNet_Weights

    file = Path(torch.hub.get_dir()) / "checkpoints" / AlexNet_Weights.DEFAULT.url.rsplit("/", 1)[-1]
    if not file.is_file():
        return Missing(
            "lpips", f"AlexNet weights are not on disk ({file.name} in torch's hub folder); never downloaded"
        )
    return _load(torch.device(device))


@functools.lru_cache(maxsize=1)
def _load(device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    from torchmetrics.image import LearnedPerceptualImagePatchSimilarity

    metric = LearnedPerceptualImagePatchSimilarity(
        net_type="alex",
        normalize=True,
        reduction="none",
        sync_on_compute=False,  # each process has its own images
    ).to(device)

    def lpips(recon: Tensor, image: Tensor) -> Tensor:
        metric.update(quantise(recon), quantise(image))
        distance = metric.compute().reshape(-1).detach()
        metric.reset()
        return distance

    return lpips


def measure(recon: Tensor, original: Tensor, context: Context) -> Tensor | Missing:
    """``(B,)``, where AlexNet's weights are on disk."""
    lpips = load_lpips(recon.device)
    return lpips if isinstance(lpips, Missing) else lpips(recon, original)


METRICS.register(
    "lpips",
    ImageMetric(title="LPIPS", decimals=3, arrow="↓", measure=measure, network="AlexNet (ImageNet), LPIPS 0.1"),
)
