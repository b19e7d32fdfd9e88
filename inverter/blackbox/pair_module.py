"""What every black-box training shares: validation by PSNR and the optimiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import lightning as L
from torch import Tensor, nn
from torchmetrics import MeanMetric

from inverter.config import OptimConfig
from inverter.losses.quality import psnr
from inverter.run.optimizer import build_optimizer


class PairModule(L.LightningModule):
    """Trains on batches of pairs.

    The best state is that of ``monitor``, ``mode`` says which way. ``kind`` is its name in the tables, and
    ``denoiser_calls`` what :meth:`reconstruct` costs beside a pass of its own. ``draws`` says whether there is one.
    """

    monitor, mode = "dev/psnr", "max"
    kind, denoiser_calls, draws = "inverter", 0, True

    def __init__(self, optim: OptimConfig) -> None:
        super().__init__()
        self.optim = optim
        self.dev_psnr = MeanMetric()  # over images, whichever process has them

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path, map_location: Any = None, **_: Any) -> Self:  # type: ignore[override]
        """The module of a checkpoint, with the averaged weights; nothing else is needed, and nothing is unpickled."""
        from inverter.blackbox.build import load_checkpoint

        module = load_checkpoint(Path(checkpoint_path))
        if not isinstance(module, cls):
            raise ValueError(f"checkpoint {checkpoint_path} is of model.kind={module.kind}; allowed: {cls.kind}")
        return module if map_location is None else module.to(map_location)

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

    def validation_step(self, batch: dict, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.dev_psnr(psnr(self.reconstruct(batch["features"]), batch["image"]))

    def on_validation_epoch_end(self) -> None:
        self.log("dev/psnr", self.dev_psnr.compute(), prog_bar=True)
        self.dev_psnr.reset()

    def configure_optimizers(self) -> dict:
        return build_optimizer(self, self.network().parameters(), self.optim)
