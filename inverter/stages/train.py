"""Stage ``train``: a black-box inverter, or the baseline, from pair shards."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from inverter.blackbox.build import also_folders, build_data, build_module
from inverter.blackbox.config import TrainConfig
from inverter.blackbox.modules.inverter import InverterModule
from inverter.blackbox.start import start
from inverter.data.datamodule import PairDataModule
from inverter.data.manifest import Manifest
from inverter.data.several import SeveralPairModule
from inverter.priors.control_pairs import ControlPairs, with_control_pairs
from inverter.priors.memory import check_memory
from inverter.run.callbacks.reconstructions import ReconstructionGrid
from inverter.run.device import pick_device
from inverter.run.summary import save_summary
from inverter.run.training import TrainingRun, training_output

log = logging.getLogger(__name__)
STAGE = "train"


def run(config: TrainConfig) -> Path:
    """Train until the time, the steps or the patience are over; ``checkpoints/best.ckpt`` is the best of it.

    Raises:
        ValueError: The shards come from another target or layer than the config says, or ``start_from`` is no
            published inverter of theirs, or the output holds a run with another config or other pairs, or one that is
            under way.
    """
    check_memory(config.memory, pick_device(config.trainer.device), trains=True)
    data = build_data(config)
    with training_output(config) as output:
        return train(config, data, output)


def train(config: TrainConfig, data: PairDataModule, output: Path) -> Path:
    """What ``run`` does in an output that is its own; returns the output."""
    run = TrainingRun(config, STAGE)
    if run.resumed and not Manifest.load(output).same_pairs(data.manifest):
        raise ValueError(f"output: {output} holds a run on other pairs than {config.data.path}; train in a new output")
    manifests = data.manifests if isinstance(data, SeveralPairModule) else [data.manifest]
    module = build_module(config, manifests[0], manifests[1:])
    began_with = []
    if config.start_from is not None and not run.resumed:
        began_with = start(module, config.start_from, data.manifest.target)
    if config.compile:
        module.compile_parts()

    def save_manifests() -> None:
        members = data.members if isinstance(data, SeveralPairModule) else [data]
        for number, (folder, member) in enumerate(zip([output, *also_folders(output, config)], members, strict=True)):
            folder.mkdir(parents=True, exist_ok=True)
            threat_model = member.manifest.threat_model
            if isinstance(module, InverterModule):
                threat_model = with_denoiser_pairs(threat_model, module, manifests[:number] + manifests[number + 1 :])
            replace(member.manifest, threat_model=threat_model).save(folder)
            member.save_origins(folder)

    trainer = run.fit(
        module,
        data,
        [ReconstructionGrid(output)] if module.draws else [],
        weights=("prior", module.inverter.prior.weights_sha256) if isinstance(module, InverterModule) else None,
        begin=save_manifests,
        record={"began_with": began_with},
        channels_last=config.channels_last,
    )
    if not trainer.is_global_zero:
        return output
    summary = save_summary(trainer, config, STAGE, seen="pairs_seen", pairs=data.num_pairs)
    figures = {key: value for key, value in summary.items() if isinstance(value, int | float)}
    log.info("trained: %s; run in %s", ", ".join(f"{key} {value:.6g}" for key, value in figures.items()), output)
    return output


def with_denoiser_pairs(threat_model: str, module: InverterModule, others: Sequence[Manifest]) -> str:
    """A threat model that names what the denoiser learned from before, and learns from beside an inverter's own pairs.

    Args:
        threat_model: Of the inverter's pairs.
        module: That is trained.
        others: Pairs of the inverters that share the denoiser.
    """
    prior = module.inverter.prior
    told = with_control_pairs(threat_model, prior.control_pairs)
    return told if module.denoiser is None else with_control_pairs(told, tuple(map(ControlPairs.of, others)))
