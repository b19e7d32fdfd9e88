"""What every training stage shares: optimiser and schedule, Trainer, checkpoints, record of the run."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint, ProgressBar, Timer
from lightning.pytorch.trainer.states import RunningStage
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException
from torch import nn

from inverter.config import OptimConfig, TrainerConfig, changed_keys, read_config
from inverter.config.errors import one_line
from inverter.run.callbacks.average import ema
from inverter.run.callbacks.last_step import LastStep
from inverter.run.callbacks.newest import Newest
from inverter.run.callbacks.patience import Patience
from inverter.run.callbacks.progress import progress
from inverter.run.callbacks.shared_clock import SharedClock
from inverter.run.callbacks.speed import Speed
from inverter.run.callbacks.went_on import WentOn
from inverter.run.checkpoint_io import AtomicCheckpointIO
from inverter.run.checkpoints import check_resumable
from inverter.run.device import pick_device, pick_precision
from inverter.run.loggers import build_loggers
from inverter.run.muon import Muon
from inverter.run.processes import rank, share_tasks
from inverter.run.record import record_run
from inverter.run.signals import interrupt_as_termination

log = logging.getLogger(__name__)
ALGORITHMS = {"adamw": torch.optim.AdamW, "muon": Muon}
LIGHTNING = {"bf16": "bf16-mixed", "fp32": "32-true"}
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


def build_optimizer(
    module: L.LightningModule, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], optim: OptimConfig
) -> Any:
    """AdamW or Muon with linear warm-up, then a cosine to zero over ``max_steps`` or ``max_time``, the further one.

    ``parameters`` may be groups with settings of their own. Returns what ``configure_optimizers`` returns.

    Raises:
        ValueError: ``optim.algorithm`` is neither.
    """
    if optim.algorithm not in ALGORITHMS:
        raise ValueError(f"optim.algorithm is {optim.algorithm!r}; allowed: {', '.join(ALGORITHMS)}")
    algorithm = ALGORITHMS[optim.algorithm]
    optimizer = algorithm(parameters, lr=optim.lr, betas=(0.9, 0.99), weight_decay=optim.weight_decay)

    def factor(step: int) -> float:
        warmup = min(1.0, (step + 1) / max(optim.warmup_steps, 1))
        return warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, training_progress(module, step, optim))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


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
    shown = progress() if config.progress else None
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
            logger=build_loggers(config.loggers, output),
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


def fit(trainer: L.Trainer, module: L.LightningModule, data: L.LightningDataModule, checkpoint: str | None) -> None:
    """Train, from a checkpoint where there is one.

    Raises:
        ValueError: The checkpoint cannot be read, or training cannot go on from it.
        SystemExit: SIGTERM or Ctrl-C came; the state after the step is in ``last.ckpt``, the status says which it was.
    """
    if checkpoint:
        check_resumable(module, Path(checkpoint))
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
    keys = changed_keys(read_config(type(config), output / f"{stage}.yaml"), config)
    if changed := [key for key in keys if not key.startswith(MAY_CHANGE)]:
        raise ValueError(
            f"output: {output} holds a run with other values of {', '.join(changed)}; train in a new output, or set "
            "resume=false to begin anew there"
        )
    log.info("resuming from %s", path)
    return str(path)


def record_training(trainer: L.Trainer, config: Any, stage: str, checkpoint: str | None, **more: Any) -> None:
    """Record a run that begins, or let the trainer record that it went on from a checkpoint.

    Where it begins, checkpoints and summaries of an earlier run are removed first: else it would, once killed, go on
    from the other's state, or end with the other's best. ``more`` goes into its record.
    """
    if checkpoint is not None:
        trainer.callbacks.append(WentOn(config, stage))  # type: ignore[attr-defined]
        return
    output = Path(config.output)
    if not rank():
        for path in ("checkpoints/last.ckpt", "checkpoints/best.ckpt", "summary.json", f"{stage}.summary.json"):
            (output / path).unlink(missing_ok=True)
    record_run(config, output, stage, **more)


def training_progress(module: L.LightningModule, step: int, optim: OptimConfig) -> float:
    """Share of the training that is over, by steps or by time, whichever is further on."""
    shares = [0.0]
    if optim.max_steps:
        shares.append(step / optim.max_steps)
    timers = [callback for callback in module.trainer.callbacks if isinstance(callback, Timer)]  # type: ignore[attr-defined]
    if optim.max_time and timers:
        elapsed = timers[0].time_elapsed(RunningStage.TRAINING)
        shares.append(module.trainer.strategy.broadcast(elapsed) / optim.max_time)  # one rate for all processes
    return max(shares)
