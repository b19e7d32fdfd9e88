"""What training costs, beside its curves: images a second and peak memory."""

from __future__ import annotations

import time

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from inverter.run.memory import peak_memory

GIB = 2**30


class Speed(Callback):
    """Log ``train/images_per_second`` of all processes and ``train/peak_memory_gib`` of the first with the curves.

    Speed is that of the training steps since the last log, without validation; memory is the process's resident memory
    on a CPU and what the allocator gave to tensors on a GPU, at most so far.
    """

    def __init__(self) -> None:
        self.images, self.seconds = 0, 0.0
        self._started = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.images, self.seconds, self._started = 0, 0.0, time.perf_counter()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.seconds += time.perf_counter() - self._started

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: dict, batch_idx: int
    ) -> None:
        self.images += len(next(iter(batch.values()))) * trainer.world_size
        if trainer.global_step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        now = time.perf_counter()
        seconds = self.seconds + now - self._started
        rate, memory = self.images / seconds, peak_bytes(pl_module.device) / GIB
        pl_module.log_dict({"train/images_per_second": rate, "train/peak_memory_gib": memory})
        self.images, self.seconds, self._started = 0, 0.0, now


def peak_bytes(device: torch.device) -> int:
    """Bytes in use at most: of a GPU's tensors, or resident in this process."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
