"""Stage ``train``: a black-box inverter, or the baseline, from pair shards."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, Timer

from inverter.blackbox.build import also_folders, build_data, build_module
from inverter.blackbox.module import InverterModule
from inverter.blackbox.start import start
from inverter.config import TrainConfig
from inverter.data.datamodule import PairDataModule
from inverter.data.manifest import Manifest
from inverter.data.several import SeveralPairModule
from inverter.run.callbacks.made_of import MadeOf
from inverter.run.callbacks.reconstructions import ReconstructionGrid
from inverter.run.files import write_text
from inverter.run.lock import locked
from inverter.run.loggers import close_loggers
from inverter.run.processes import rank
from inverter.run.training import build_trainer, find_tasks, fit, record_training, resume_path

log = logging.getLogger(__name__)


def run(config: TrainConfig) -> Path:
    """Train until the time, the steps or the patience are over; the best by dev PSNR is ``checkpoints/best.ckpt``.

    Raises:
        ValueError: The shards come from another target or layer than the config says, or ``start_from`` is no
            published inverter of theirs, or the output holds a run with another config or other pairs, or one that is
            under way.
    """
    output = Path(config.output)
    data = build_data(config)
    find_tasks(config.trainer)
    with locked(output):
        return train(config, data, output)


def train(config: TrainConfig, data: PairDataModule, output: Path) -> Path:
    """What ``run`` does in an output that is its own; returns the output."""
    checkpoint = resume_path(config, "train")
    if checkpoint and Manifest.load(output) != data.manifest:
        raise ValueError(f"output: {output} holds a run on other pairs than {config.data.path}; train in a new output")
    L.seed_everything(config.seed, verbose=False)
    also = data.manifests[1:] if isinstance(data, SeveralPairModule) else []
    module = build_module(config, data.manifest, also)
    began_with = []
    if config.start_from is not None and checkpoint is None:
        began_with = start(module, config.start_from, data.manifest.target)
    if config.channels_last:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if config.compile:
        module.compile_parts()
    callbacks: list[Callback] = [ReconstructionGrid(output)]
    if isinstance(module, InverterModule):
        callbacks.append(MadeOf("prior", module.inverter.prior.weights_sha256))
    trainer = build_trainer(
        config.optim, config.trainer, output, monitor=module.monitor, mode=module.mode, callbacks=callbacks
    )
    record_training(trainer, config, "train", checkpoint, began_with=began_with)
    if rank() == 0:
        data.manifest.save(output)
        for folder, manifest in zip(also_folders(output, config), also, strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            manifest.save(folder)
    fit(trainer, module, data, checkpoint)
    trainer.validate(module, data, verbose=False)
    close_loggers(trainer.loggers)
    best, last = trainer.checkpoint_callback.best_model_score, float(trainer.callback_metrics[module.monitor])  # type: ignore[union-attr]
    if best is None or (last > float(best) if module.mode == "max" else last < float(best)):
        trainer.save_checkpoint(output / "checkpoints" / "best.ckpt")
        best = last
    if not trainer.is_global_zero:
        return output
    timer = next(callback for callback in trainer.callbacks if isinstance(callback, Timer))  # type: ignore[attr-defined]
    summary = {
        "pairs": data.num_pairs,
        "pairs_seen": trainer.global_step * config.data.batch_size * trainer.world_size,
        "steps": trainer.global_step,
        "seconds": timer.time_elapsed(),
        module.monitor: last,
        f"best {module.monitor}": float(best),
    }
    write_text(output / "summary.json", json.dumps(summary, indent=2) + "\n")
    log.info("trained: %s; run in %s", ", ".join(f"{key} {value:.6g}" for key, value in summary.items()), output)
    return output
