"""A grid of pictures at each validation: what an autoencoder keeps, what a denoiser draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torchvision.utils import save_image

from inverter.run.loggers import log_picture


class PictureGrid(Callback):
    """At each validation, write ``OUTPUT/grids/step-N.png`` and hand the grid to TensorBoard and wandb.

    Args:
        output: Folder of the run.
        name: Under which loggers keep it.
        draw: Makes the grid ``(3, H, W)`` in [0, 1] from the trained module and the first validation batch, which is
            always the same.
    """

    def __init__(self, output: Path, name: str, draw: Callable[[L.LightningModule, dict], Tensor]) -> None:
        self.folder, self.name, self.draw = output / "grids", name, draw

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: object,
        batch: dict,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx or dataloader_idx or trainer.sanity_checking or not trainer.is_global_zero:
            return
        with torch.no_grad():
            grid = self.draw(pl_module, batch)
        self.folder.mkdir(parents=True, exist_ok=True)
        save_image(grid, self.folder / f"step-{trainer.global_step:07d}.png")
        for logger in trainer.loggers:
            log_picture(logger, self.name, grid, trainer.global_step)
