"""What every training stage shares: optimiser and schedule, Trainer, checkpoints, record of the run."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint, ProgressBar, Timer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from inverter.config import OptimConfig, TrainerConfig
from inverter.config.errors import one_line
from inverter.run.callbacks.average import ema
from inverter.run.callbacks.last_step import LastStep
from inverter.run.callbacks.newest import Newest
from inverter.run.callbacks.patience import Patience
from inverter.run.callbacks.progress import progress
from inverter.run.callbacks.shared_clock import SharedClock
from inverter.run.callbacks.speed import Speed
from inverter.run.checkpoint_io import AtomicCheckpointIO
from inverter.run.device import pick_device, pick_precision
from inverter.run.loggers import build_loggers
from inverter.run.processes import rank, share_tasks

log = logging.getLogger(__name__)
LIGHTNING = {"bf16": "bf16-mixed", "fp32": "32-true"}


def build_trainer(
    optim: OptimConfig,
    config: TrainerConfig,
    output: Path,
    *,
    monitor: str,
    mode: str = "max",
    callbacks: Iterable[Callback] = (),
) -> L.Trainer:
    """Trainer with EMA, an end by steps, time or patience, and time-based validation.

    After each validation and at SIGTERM, ``OUTPUT/checkpoints/best.ckpt`` is the best by ``monitor``, ``last.ckpt`` the
    newest state; both hold the averaged weights as ``state_dict`` and the raw ones for an exact resume. The newest is
    written after the best, so that a run killed in between validates once more.

    Raises:
        ValueError: A precision, a device, a logger or another setting that is not allowed, or nothing that ends the
            training.
    """
    if optim.max_steps is None and optim.max_time is None:
        raise ValueError("optim.max_steps and optim.max_time are both null; one of them must end the training")
    device = pick_device(config.device)
    precision = pick_precision(optim.precision, device, "optim.precision")
    accelerator = "gpu" if device == "cuda" else "cpu"
    folder = output / "checkpoints"
    every = timedelta(seconds=config.every_n_seconds)
    common: list[Callback] = [
        Timer(duration={"seconds": optim.max_time} if optim.max_time is not None else None),
        LastStep(),
        ema(optim.ema_decay),
        LearningRateMonitor("step"),
        Speed(),
        ModelCheckpoint(folder, filename="best", monitor=monitor, mode=mode, enable_version_counter=False),
        Newest(
            folder,
            filename="last",
            save_top_k=1,
            monitor=None,
            save_on_exception=True,
            enable_version_counter=False,
        ),
    ]
    if optim.patience is not None:
        common.append(Patience(monitor, mode=mode, patience=optim.patience, check_on_train_epoch_end=False))
    shown = progress(optim) if config.progress else None
    if shown is not None:
        common.append(shown)
    if several := config.num_nodes > 1 or config.devices != 1:
        common.append(SharedClock(config.every_n_seconds))
    strategy = config.strategy
    if several and strategy in ("auto", "ddp"):  # most steps leave the conditioning tokens without a gradient
        strategy = "ddp_find_unused_parameters_true"
    plugins: list[Any] = [AtomicCheckpointIO()]
    if not find_tasks(config) and not dist.is_torchelastic_launched():
        alone = LightningEnvironment()  # else Lightning would go by SLURM's numbers
        alone.set_global_rank(rank())
        plugins.append(alone)
    try:
        return L.Trainer(
            default_root_dir=output,
            accelerator=accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=strategy,
            plugins=plugins,
            precision=LIGHTNING[precision],  # type: ignore[arg-type]
            logger=build_loggers(config.loggers, output, config.wandb_mode),
            callbacks=[*common, *callbacks],
            max_steps=optim.max_steps if optim.max_steps is not None else -1,
            gradient_clip_val=optim.gradient_clip,
            benchmark=accelerator == "gpu",  # batches are of one size
            val_check_interval=every,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            log_every_n_steps=20,
            enable_progress_bar=isinstance(shown, ProgressBar),  # else Lightning adds a bar of its own
            enable_model_summary=False,
        )
    except (MisconfigurationException, TypeError, ModuleNotFoundError) as error:
        raise ValueError(f"trainer: {one_line(error)}") from error


def find_tasks(config: TrainerConfig) -> bool:
    """Find out which process of the training this is, before it locks its output; see :func:`share_tasks`."""
    devices = config.devices if config.devices > 0 else max(torch.cuda.device_count(), 1)
    return share_tasks(devices * config.num_nodes)
