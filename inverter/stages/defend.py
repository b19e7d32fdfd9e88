"""Stage ``defend``: a device's half that sends features which give less away."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

from inverter.defences import load_defended
from inverter.defences.config import DefendConfig
from inverter.defences.data import SourceModule
from inverter.defences.kinds import DEFENCES
from inverter.defences.write import write_defence
from inverter.run.summary import save_summary
from inverter.run.training import TrainingRun, training_output
from inverter.targets.defence import SPEC

log = logging.getLogger(__name__)
STAGE = "defend"
NUM_START = 64  # training pictures that a cut's first weights come from


def run(config: DefendConfig) -> Path:
    """Train, then write ``defence.json`` and ``model.safetensors`` of the last state into the output.

    Returns:
        The output.
    Raises:
        ValueError: A setting is not allowed, the layer cannot be split at, the pictures cannot be read, the output
            holds another run, or training is not finite: then the last good state is kept.
    """
    with training_output(config) as output:
        return train(config, output)


def train(config: DefendConfig, output: Path) -> Path:
    """What ``run`` does in an output that is its own."""
    run = TrainingRun(config, STAGE)
    base = load_defended(config.target)
    module = DEFENCES[config.defence.kind].build(config, base)
    data = SourceModule(config, output)
    data.prepare_data()  # before anything is begun that it could refuse
    if not run.resumed:
        module.start(data.first(NUM_START))
    trainer = run.fit(
        module,
        data,
        weights=("target", base.target.spec.weights_sha256),
        begin=lambda: (output / SPEC).unlink(missing_ok=True) if not run.resumed else None,
    )
    if not trainer.is_global_zero:
        return output
    spec = write_defence(module, data, output)
    summary = {key: value for key, value in asdict(spec.utility).items() if value is not None}
    save_summary(trainer, config, STAGE, utility=summary)
    log.info("%s in %s: %s", spec.mark, output, ", ".join(f"{key} {value:.6g}" for key, value in summary.items()))
    return output
