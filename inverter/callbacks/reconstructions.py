"""Reconstruction grids while training: original, reconstruction and error of fixed images."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torchvision.utils import make_grid, save_image

from inverter.loggers import log_picture


class ReconstructionGrid(Callback):
    """At each validation, write ``OUTPUT/grids/step-N.png`` and hand the grid to TensorBoard and wandb.

    Args:
        output: Folder of the run.
        num_images: Images shown: the first of the first validation batch, so always the same.
    """

    def __init__(self, output: Path, num_images: int = 8) -> None:
        self.folder, self.num_images = output / "grids", num_images

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: object,
        batch: dict,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx or trainer.sanity_checking or not trainer.is_global_zero:
            return
        image = batch["image"][: self.num_images]
        with torch.no_grad():
            recon = pl_module.reconstruct(batch["features"][: self.num_images])
        grid = reconstruction_grid(image, recon)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{trainer.global_step:07d}.png"
        save_image(grid, path)
        for logger in trainer.loggers:
            log_picture(logger, "dev/reconstructions", grid, trainer.global_step)


def reconstruction_grid(image: Tensor, recon: Tensor) -> Tensor:
    """Rows: originals, reconstructions, absolute error times 2; ``(3, H, W)`` in [0, 1]."""
    image, recon = image.float().cpu(), recon.float().cpu()
    error = (2 * (recon - image).abs()).clamp(0, 1)
    return make_grid(torch.cat([image, recon, error]), nrow=len(image), padding=2)
