"""Reconstruction grids while training: original, reconstruction and error of fixed images."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import torch
from torch import Tensor
from torchvision.utils import make_grid

from inverter.run.callbacks.picture_grid import PictureGrid


class ReconstructionGrid(PictureGrid):
    """A :class:`PictureGrid` of what the trained module makes of features.

    Args:
        output: Folder of the run.
        num_images: Images shown: the first of the first validation batch, so always the same.
    """

    def __init__(self, output: Path, num_images: int = 8) -> None:
        def draw(module: L.LightningModule, batch: dict) -> Tensor:
            image = batch["image"][:num_images]
            return reconstruction_grid(image, module.reconstruct(batch["features"][:num_images]))

        super().__init__(output, "dev/reconstructions", draw)


def reconstruction_grid(image: Tensor, recon: Tensor) -> Tensor:
    """Rows: originals, reconstructions, absolute error times 2; ``(3, H, W)`` in [0, 1]."""
    image, recon = image.float().cpu(), recon.float().cpu()
    error = (2 * (recon - image).abs()).clamp(0, 1)
    return make_grid(torch.cat([image, recon, error]), nrow=len(image), padding=2)
