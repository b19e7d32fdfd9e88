"""The one way in which every stage trains: resume or begin, seed, record, fit, close."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException

from inverter.config import read_config, unread_keys
from inverter.run.callbacks.resume_record import ResumeRecord
from inverter.run.callbacks.step_seed import StepSeed
from inverter.run.callbacks.weights_hash import WeightsHash
from inverter.run.checkpoints import check_resumable
from inverter.run.lock import locked
from inverter.run.loggers import close_loggers
from inverter.run.processes import rank
from inverter.run.recipe import Recipe
from inverter.run.record import record_run
from inverter.run.signals import interrupt_as_termination
from inverter.run.summary import summary_path
from inverter.run.trainer import build_trainer, find_tasks

log = logging.getLogger(__name__)
MAY_CHANGE = (  # between the parts of a run: where it runs, and for how long
    "trainer.",
    "optim.max_steps",
    "optim.max_time",
    "optim.patience",
    "optim.precision",
    "data.path",
    "data.num_workers",
    "data.pin_memory",
    "channels_last",
    "compile",
    "publish",
    "output",
    "resume",
)


@contextmanager
def training_output(config: Any) -> Iterator[Path]:
    """The folder ``config.output``, held while the block runs, by the first process of the training for all.

    Raises:
        ValueError: Another run holds it.
    """
    find_tasks(config.trainer)
    with locked(Path(config.output)):
        yield Path(config.output)


class TrainingRun:
    """A training in ``config.output`` that begins, or goes on with what was begun there; seeds everything.

    Args:
        config: Schema with ``optim``, ``trainer``, ``data.batch_size``, ``output``, ``resume`` and ``seed``.
        stage: Such as ``train``; names the record.
    Raises:
        ValueError: The folder holds a run of another stage or with another config.
    """

    def __init__(self, config: Any, stage: str) -> None:
        self.config, self.stage, self.output = config, stage, Path(config.output)
        self.checkpoint = resume_path(config, stage)
        L.seed_everything(config.seed, verbose=False)

    @property
    def resumed(self) -> bool:
        """Whether it goes on from a checkpoint."""
        return self.checkpoint is not None

    def fit(
        self,
        module: L.LightningModule,
        data: L.LightningDataModule,
        callbacks: Sequence[Callback] = (),
        *,
        weights: tuple[str, str] | None = None,
        begin: Callable[[], None] | None = None,
        record: Mapping[str, Any] | None = None,
        max_val_batches: int | None = None,
        channels_last: bool = True,
    ) -> L.Trainer:
        """Train; afterwards the module has the averaged weights.

        Args:
            module: With ``monitor`` and ``mode``, which say what its best state is.
            data: Batches of training and of validation.
            callbacks: Beside those of every training.
            weights: Key of the configuration that names frozen weights, and their hash: it goes on with the same only.
            begin: Writes into the output what belongs to the run; called before the first step, in the first process.
            record: Plain data for the record of a run that begins.
            max_val_batches: Batches of a validation and process; None takes all.
            channels_last: Memory layout of the module's weights.
        Raises:
            ValueError: The checkpoint cannot be used, or is of other weights.
            SystemExit: SIGTERM or Ctrl-C came; the state after the step is in ``last.ckpt``.
        """
        if channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        own = [StepSeed(self.config.seed), *([WeightsHash(*weights)] if weights else [])]
        trainer = build_trainer(
            self.config.optim,
            self.config.trainer,
            self.output,
            monitor=module.monitor,
            mode=module.mode,
            callbacks=[*own, *callbacks],
        )
        if max_val_batches is not None:
            trainer.limit_val_batches = max_val_batches
        _record(trainer, self.config, self.stage, self.checkpoint, **(record or {}))
        if begin is not None and not rank():
            begin()
        fit(trainer, module, data, self.checkpoint)
        if module.monitor not in trainer.callback_metrics:  # no step was left
            trainer.validate(module, data, verbose=False)
        close_loggers(trainer.loggers)
        return trainer


def fit(trainer: L.Trainer, module: L.LightningModule, data: L.LightningDataModule, checkpoint: str | None) -> None:
    """Train, from a checkpoint where there is one.

    Raises:
        ValueError: The checkpoint cannot be read, or training cannot go on from it.
        SystemExit: SIGTERM or Ctrl-C came; the state after the step is in ``last.ckpt``, the status says which it was.
    """
    if checkpoint:
        module.trainer = trainer  # the learning rate follows its progress
        check_resumable(module, Path(checkpoint), module.configure_optimizers()["optimizer"])  # type: ignore[call-overload,index]
    with interrupt_as_termination() as interrupts:
        try:
            trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
        except SIGTERMException as error:
            raise SystemExit(128 + (signal.SIGINT if interrupts else signal.SIGTERM)) from error


def resume_path(config: Any, stage: str) -> str | None:
    """Checkpoint in ``config.output`` to go on from, or None for a fresh start.

    Raises:
        ValueError: The run there is of another stage or was begun with another config, and this one would spoil it.
    """
    output = Path(config.output)
    path = output / "checkpoints" / "last.ckpt"
    if not config.resume or not path.is_file():
        return None
    if not (output / f"{stage}.yaml").is_file():
        raise ValueError(f"output: {output} holds a run of another stage than {stage}; train in a new output")
    earlier = read_config(type(config), output / f"{stage}.yaml")
    advice = "train in a new output, or set resume=false to begin anew there"
    Recipe(config, [*MAY_CHANGE, *unread_keys(config)]).check(earlier, f"output: the run in {output}", advice)
    log.info("resuming from %s", path)
    return str(path)


def _record(trainer: L.Trainer, config: Any, stage: str, checkpoint: str | None, **more: Any) -> None:
    """Record a run that begins, or let the trainer record that it went on from a checkpoint.

    Where it begins, checkpoints and summaries of an earlier run are removed first: else it would, once killed, go on
    from the other's state, or end with the other's best. ``more`` goes into its record.
    """
    if checkpoint is not None:
        trainer.callbacks.append(ResumeRecord(config, stage))  # type: ignore[attr-defined]
        return
    output = Path(config.output)
    if not rank():
        for path in (output / "checkpoints/last.ckpt", output / "checkpoints/best.ckpt", summary_path(output, stage)):
            path.unlink(missing_ok=True)
    record_run(config, output, stage, **more)
