"""Where curves and pictures of a training go: below the run's folder; with no account and no network, unless asked."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from inverter.run.files import write_text
from inverter.run.processes import rank

LOGGERS = ("csv", "tensorboard", "wandb")
WANDB_MODES = ("offline", "online")


def build_loggers(names: Iterable[str], output: Path, wandb_mode: str = "offline") -> list[Logger]:
    """Loggers by name; ``wandb_mode`` is ``offline`` or ``online``.

    A resumed run adds to what is there: a further ``logs/version_N``, event file, or offline run of the same id; an
    online one goes on.

    Raises:
        ValueError: A name or mode that is not allowed, or a logger whose package is not installed.
    """
    if wandb_mode not in WANDB_MODES:
        raise ValueError(f"trainer.wandb_mode is {wandb_mode!r}; allowed: {', '.join(WANDB_MODES)}")
    loggers: list[Logger] = []
    for name in names:
        if name not in LOGGERS:
            raise ValueError(f"trainer.loggers holds {name!r}; allowed: {', '.join(LOGGERS)}")
        try:
            loggers.append(_build(name, output, wandb_mode))
        except ModuleNotFoundError as error:
            raise ValueError(
                f"trainer.loggers holds {name!r}, which is not installed; pip install '.[loggers]' in the checkout, "
                "or use csv"
            ) from error
    return loggers


def _build(name: str, output: Path, wandb_mode: str) -> Logger:
    if name == "csv":
        return CSVLogger(output, name="logs", flush_logs_every_n_steps=1)
    if name == "tensorboard":
        return TensorBoardLogger(output, name="tensorboard", version="")
    import wandb

    return Wandb(
        project="inverter",
        name=output.name,
        id=run_id(output) if rank() == 0 else None,  # the other processes log nothing
        save_dir=output,
        offline=wandb_mode == "offline",
        resume="allow",
        settings=wandb.Settings(console="off", silent=True),
    )


class Wandb(WandbLogger):
    """wandb whose steps are the training's and never go back: it drops what comes for a step that is over.

    Lightning lets wandb count the calls, in a resumed run from 0 again, and gives the metrics of a validation the step
    before that of its pictures.
    """

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        self.experiment.log(dict(metrics), step=None if step is None else max(step, self.experiment.step))


def log_picture(logger: Logger, name: str, picture: Tensor, step: int) -> None:
    """Hand a picture ``(3, H, W)`` in [0, 1] to a logger that takes pictures; others are left alone."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, picture, step)
    elif isinstance(logger, WandbLogger):
        logger.log_image(name, [picture], step=step)


def close_loggers(loggers: Iterable[Logger]) -> None:
    """End the runs of loggers that would take a later run of this process for their own."""
    for logger in loggers:
        if isinstance(logger, WandbLogger) and rank() == 0:
            logger.experiment.finish()


def run_id(output: Path) -> str:
    """Id of the run in ``OUTPUT/run_id``, drawn once: the parts of a resumed run are one run."""
    path = output / "run_id"
    if not path.is_file():
        output.mkdir(parents=True, exist_ok=True)
        write_text(path, uuid.uuid4().hex[:8])
    return path.read_text().strip()
