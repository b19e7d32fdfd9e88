"""The newest state of a training, always of a finished step."""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException


class Newest(ModelCheckpoint):
    """A checkpoint after each validation, and between two steps when training is terminated.

    Any other exception may come in the middle of a step, which has its batch but has not changed the weights, or not
    all of them; the state before it is kept.
    """

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, SIGTERMException):
            super().on_exception(trainer, pl_module, exception)
