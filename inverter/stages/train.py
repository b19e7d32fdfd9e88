"""Stage ``train``: a black-box inverter, or the baseline, from pair shards."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, Timer

from inverter.blackbox.build import build_module
from inverter.callbacks.reconstructions import ReconstructionGrid
from inverter.config import TrainConfig
from inverter.data.datamodule import PairDataModule
from inverter.data.manifest import Manifest
from inverter.run_record import record_run, write_text
from inverter.training import build_trainer, fit, resume_path

log = logging.getLogger(__name__)


def run(config: TrainConfig) -> Path:
    """Train until the time, the steps or the patience are over; the best by dev PSNR is ``checkpoints/best.ckpt``.

    Raises:
        ValueError: The shards come from another target or layer than the config says, or the output holds a run with
            another config or other pairs.
    """
    output, data_path = Path(config.output), Path(config.data.path)
    data = PairDataModule(
        str(data_path / "train"),
        str(data_path / "dev"),
        batch_size=config.data.batch_size,
        num_workers=config.data.num_workers,
        seed=config.seed,
        limit=config.data.limit,
    )
    check_target(config, data.manifest)
    checkpoint = resume_path(config, "train")
    if checkpoint and Manifest.load(output) != data.manifest:
        raise ValueError(f"output: {output} holds a run on other pairs than {data_path}; train in a new output")
    L.seed_everything(config.seed, verbose=False)
    module = build_module(config, data.manifest)
    record_run(config, output, "train")
    data.manifest.save(output)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    callbacks: list = [ReconstructionGrid(output)]
    if config.optim.patience is not None:
        callbacks.append(
            EarlyStopping("dev/psnr", mode="max", patience=config.optim.patience, check_on_train_epoch_end=False)
        )
    trainer = build_trainer(config.optim, config.trainer, output, monitor="dev/psnr", callbacks=callbacks)
    fit(trainer, module, data, checkpoint)
    trainer.validate(module, data, verbose=False)
    best, last = trainer.checkpoint_callback.best_model_score, float(trainer.callback_metrics["dev/psnr"])  # type: ignore[union-attr]
    if best is None or last > float(best):
        trainer.save_checkpoint(output / "checkpoints" / "best.ckpt")
        best = last
    timer = next(callback for callback in trainer.callbacks if isinstance(callback, Timer))  # type: ignore[attr-defined]
    summary = {
        "pairs": min(data.manifest.num_pairs, config.data.limit or data.manifest.num_pairs),
        "pairs_seen": trainer.global_step * config.data.batch_size * trainer.world_size,
        "steps": trainer.global_step,
        "seconds": timer.time_elapsed(),
        "dev/psnr": last,
        "best dev/psnr": float(best),
    }
    write_text(output / "summary.json", json.dumps(summary, indent=2) + "\n")
    log.info("trained: %s; run in %s", ", ".join(f"{key} {value:.6g}" for key, value in summary.items()), output)
    return output


def check_target(config: TrainConfig, manifest: Manifest) -> None:
    """Raise when the shards were made from another target or layer than the config names."""
    for key in ("name", "layer", "input_size", "payload"):
        wanted, found = getattr(config.target, key), getattr(manifest.target, key)
        if wanted != found:
            raise ValueError(
                f"target.{key} is {wanted!r}, but the pairs in {config.data.path} were made with {found!r}; "
                f"set target.{key}={found} or prepare other pairs"
            )
