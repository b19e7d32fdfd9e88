"""What every black-box training shares: validation by PSNR, seeded steps and the optimiser."""

from __future__ import annotations

import lightning as L
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from inverter.config import OptimConfig
from inverter.losses.quality import psnr
from inverter.run.seeds import derive_seed
from inverter.run.training import build_optimizer


class PairModule(L.LightningModule):
    """Trains on batches of pairs.

    The best state is that of ``monitor``, ``mode`` says which way. ``kind`` is its name in the tables, and
    ``denoiser_calls`` what :meth:`reconstruct` costs beside a pass of its own.
    """

    monitor, mode = "dev/psnr", "max"
    kind, denoiser_calls = "inverter", 0

    def __init__(self, optim: OptimConfig, seed: int = 0) -> None:
        super().__init__()
        self.optim, self.seed = optim, seed
        self.dev_psnr = MeanMetric()  # over images, whichever process has them

    def network(self) -> nn.Module:
        """The part that is trained and saved."""
        raise NotImplementedError

    def reconstruct(self, features: Tensor) -> Tensor:
        """Images ``(B, 3, S, S)`` in [0, 1]."""
        raise NotImplementedError

    def compile_parts(self) -> None:
        """Compile what is run in each step, in place: names of parameters stay the same."""
        for part in self.network().children():
            part.compile()

    def on_train_batch_start(self, batch: dict, batch_idx: int) -> None:
        """Draw each step's noise from (seed, step, rank) alone, so that a resumed run repeats it exactly."""
        torch.manual_seed(derive_seed(self.seed, self.global_step, self.global_rank))

    def validation_step(self, batch: dict, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.dev_psnr(psnr(self.reconstruct(batch["features"]), batch["image"]))

    def on_validation_epoch_end(self) -> None:
        self.log("dev/psnr", self.dev_psnr.compute(), prog_bar=True)
        self.dev_psnr.reset()

    def configure_optimizers(self) -> dict:
        return build_optimizer(self, self.network().parameters(), self.optim)
