"""Stage ``bench``: how fast this machine trains, prepares and inverts, with the ratios that the project aims at."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from inverter.config import PrepareConfig
from inverter.lab.bench import inference, large_prior, memory, training_speed
from inverter.lab.bench.config import BenchConfig
from inverter.lab.bench.measurement import Measurement, table
from inverter.lab.bench.picture import draw
from inverter.run.files import write_text
from inverter.run.lock import locked
from inverter.run.record import commit, environment, record_run
from inverter.stages import prepare

log = logging.getLogger(__name__)
SCHEMA_VERSION = 1
PARTS: dict[str, Callable[[BenchConfig, Path], list[Measurement]]] = {
    "training": training_speed.measure,
    "inference": inference.measure,
    "memory": memory.measure,
    "large_prior": lambda config, pairs: large_prior.measure(config),
}


def run(config: BenchConfig) -> list[Measurement]:
    """Measure the parts in turn; ``OUTPUT/bench.json`` and ``OUTPUT/bench.svg`` grow with each.

    Raises:
        ValueError: An unknown part, sizes that measure nothing, or an output that another run is writing to.
    """
    unknown = [part for part in config.parts if part not in PARTS]
    if unknown or not config.parts:
        raise ValueError(f"parts={config.parts}; allowed: {', '.join(PARTS)}")
    for key in ("rounds", "steps"):
        if getattr(config, key) < 1:
            raise ValueError(f"{key}={getattr(config, key)}; allowed: 1 or more")
    if config.pairs < 2 * config.batch_size:
        raise ValueError(f"pairs={config.pairs}; allowed: {2 * config.batch_size} or more, two batches")
    with locked(Path(config.output)):
        return measure(config)


def measure(config: BenchConfig) -> list[Measurement]:
    """What ``run`` does in an output that is its own."""
    output = Path(config.output)
    record_run(config, output, "bench")
    pairs = output / "pairs"
    for split, count in (("train", config.pairs), ("dev", config.batch_size)):
        recipe = PrepareConfig(
            target=config.target, prior=config.prior, output=str(pairs), split=split, pairs=count, seed=config.seed
        )
        prepare.run(recipe)
    machine = environment()
    measurements: list[Measurement] = []
    for part in config.parts:
        log.info("measuring %s", part)
        measurements += PARTS[part](config, pairs)
        values = {"schema_version": SCHEMA_VERSION, "commit": commit(), "machine": machine}
        rows = [{**asdict(measurement), "met": measurement.met} for measurement in measurements]
        write_text(output / "bench.json", json.dumps({**values, "measurements": rows}, indent=1) + "\n")
        write_text(output / "bench.svg", draw(measurements, f"{machine['processor']}, {machine['threads']} threads"))
    Console().print(table(measurements))
    log.info("numbers in %s, picture in %s", output / "bench.json", output / "bench.svg")
    return measurements
