"""Stage ``distill``: a LoRA with which a trained inverter draws in four steps without guidance."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from inverter.blackbox.distillation import InverterDistillModule
from inverter.blackbox.few_step import FOLDER, WEIGHTS
from inverter.blackbox.published import is_run, read_published
from inverter.blackbox.trained import load_any_inverter
from inverter.config import InverterDistillConfig
from inverter.data.datamodule import PairDataModule
from inverter.priors.few_step import lora_state, save_lora
from inverter.priors.variant import SUFFIX
from inverter.run.callbacks.picture_grid import PictureGrid
from inverter.run.device import pick_device
from inverter.run.summary import save_summary
from inverter.run.training import TrainingRun, training_output
from inverter.targets.digest import weights_sha256
from inverter.targets.spec import check_same_features

log = logging.getLogger(__name__)
STAGE = "distill"


def run(config: InverterDistillConfig) -> Path:
    """Train, then write the LoRA to the output and, with ``publish=true``, into the published inverter's folder.

    Raises:
        ValueError: The inverter cannot be found, pairs of other features, or a variant that is distilled already.
    """
    if config.inverter.endswith(SUFFIX):
        raise ValueError(
            f"inverter is {config.inverter!r}, which draws in few steps already; allowed: without {SUFFIX}"
        )
    if config.num_dev < 1:
        raise ValueError(f"num_dev is {config.num_dev}; allowed: 1 or more pairs")
    of_run = is_run(config.inverter)
    if config.publish and of_run:
        raise ValueError("publish is true, but inverter is a run; allowed: false, and `inverter publish` afterwards")
    default = f"{config.inverter}/{FOLDER}" if of_run else f"runs/few-step-{Path(config.inverter).name}"
    config = dataclasses.replace(config, output=config.output or default)
    with training_output(config) as output:
        return train(config, output)


def train(config: InverterDistillConfig, output: Path) -> Path:
    """What ``run`` does in an output that is its own."""
    run = TrainingRun(config, STAGE)
    inverter, target = load_any_inverter(config.inverter, config.prior)
    inverter.to(pick_device(config.trainer.device))
    pairs, folder = config.data, config.data.path.rstrip("/")
    how = (pairs.batch_size, pairs.num_workers, config.seed, pairs.limit, pairs.pin_memory)
    data = PairDataModule(f"{folder}/train", f"{folder}/dev", *how)
    check_same_features(f"inverter {config.inverter!r}", target, data.manifest.target)
    sha256 = weights_sha256(inverter)
    module = InverterDistillModule(config, inverter)
    log.info("LoRA of %d parameters", module.num_parameters)
    grid = PictureGrid(output, "val/samples", lambda _, batch: module.samples(batch))
    processes = config.trainer.num_nodes * max(config.trainer.devices, 1)
    batches = max(1, config.num_dev // (pairs.batch_size * processes))
    trainer = run.fit(module, data, [grid], weights=("inverter", sha256), max_val_batches=batches)
    if not trainer.is_global_zero:
        return output
    summary = save_summary(trainer, config, STAGE)
    about = {
        "inverter_sha256": sha256,
        "num_inference_steps": config.num_inference_steps,
        "guidance_scale": module.guidance_scale,
        "training": {"pairs": data.num_pairs, "source": data.manifest.source, **summary},
    }
    state = lora_state(module.prior.denoiser)
    path = save_lora(state, output / WEIGHTS, about)
    if config.publish:
        save_lora(state, read_published(config.inverter).folder / FOLDER / WEIGHTS, about)
    log.info("LoRA in %s", path)
    return output
