"""``results.json``: everything that an experiment found, with a version, for pages and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.evaluation.results import Results
from inverter.lab.experiments.config import ExperimentConfig
from inverter.lab.experiments.measure import Measured
from inverter.lab.experiments.run import Job
from inverter.run.files import write_text
from inverter.run.record import commit, environment

SCHEMA_VERSION = 1
FILE = "results.json"


@dataclass(frozen=True)
class GroupResults:
    """One group, read back.

    Args:
        layer: Such as ``blocks.2@224``.
        budget: Such as ``256 queries``.
        variant: What else the group is of, such as a clip; empty for most.
        results: The table.
        spectra: Decibels above the original's power by radius, by method.
    """

    layer: str
    budget: str
    variant: str
    results: Results
    spectra: dict[str, list[float]]

    @property
    def title(self) -> str:
        return ", ".join(part for part in (self.variant, self.layer, self.budget) if part)


@dataclass(frozen=True)
class ExperimentRecord:
    """An experiment's ``results.json``.

    Args:
        experiment: ``methods``, ``prompts`` or ``smoothing``.
        finished: Whether every cell is there.
        source: Where the pictures come from.
        groups: Tables.
        config: Resolved configuration, plain data.
        made_by: ``commit`` that wrote it, ``commits`` that inverted, environment.
    """

    experiment: str
    finished: bool
    source: str
    groups: tuple[GroupResults, ...]
    config: dict[str, Any]
    made_by: dict[str, Any]

    @property
    def counts(self) -> str:
        """Pictures of the tables, such as ``16, 8`` or ``16 x 2 seeds``."""
        seeds = len(self.config["seeds"])
        by = f" x {seeds} seeds" if seeds > 1 else ""
        return ", ".join(dict.fromkeys(f"{group.results.num_images // seeds}{by}" for group in self.groups))

    def save(self, folder: Path) -> None:
        """Write ``FOLDER/results.json``, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        groups = [
            {
                **{key: getattr(found, key) for key in ("layer", "budget", "variant", "spectra")},
                "results": {k: v for k, v in found.results.to_json().items() if k not in ("environment", "config")},
            }
            for found in self.groups
        ]
        data = {
            "schema_version": SCHEMA_VERSION,
            **{key: getattr(self, key) for key in ("experiment", "finished", "source", "config", "made_by")},
            "seed": self.config.get("seed"),
            "groups": groups,
        }
        write_text(folder / FILE, json.dumps(data, indent=1, allow_nan=False) + "\n")


def make_record(
    experiment: str,
    config: ExperimentConfig,
    source: str,
    groups: Sequence[GroupResults],
    finished: bool,
    jobs: Sequence[Job] = (),
) -> ExperimentRecord:
    """A record of now, which names the commits that inverted; of files it keeps the names and not the folders."""
    commits = sorted(set().union(*(job.commits() for job in jobs)))
    made_by = {"commit": commit(), "commits": commits, "environment": environment()}
    values = json.loads(json.dumps(asdict(config)))
    for folder in ("output", "results"):
        values.pop(folder)
    if values.get("val"):
        values["val"] = PurePath(values["val"]).name
    if "clips" in values:
        values["clips"] = [PurePath(clip).name for clip in values["clips"]]
    return ExperimentRecord(experiment, finished, source, tuple(groups), values, made_by)


def of_group(measured: Measured, layer: str, budget: str, variant: str = "") -> GroupResults:
    """A measured group under its names."""
    return GroupResults(layer, budget, variant, measured.results, measured.spectra)


def read_record(folder: Path) -> ExperimentRecord | None:
    """The record in a folder; None where there is none.

    Raises:
        ValueError: It is damaged or of another schema version.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    data = parse_json(path.read_bytes())
    if not isinstance(data, Mapping) or data.get("schema_version") != SCHEMA_VERSION:
        version = data.get("schema_version") if isinstance(data, Mapping) else None
        raise ValueError(f"{path} has schema_version {version!r}; allowed: {SCHEMA_VERSION}")
    try:
        groups = tuple(
            GroupResults(
                **{key: str(group[key]) for key in ("layer", "budget", "variant")},
                results=Results.from_json({**group["results"], "environment": {}, "config": {}}),
                spectra=dict(group["spectra"]),
            )
            for group in data["groups"]
        )
        rest = {key: data[key] for key in ("experiment", "finished", "source", "config", "made_by")}
        return ExperimentRecord(groups=groups, **rest)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {one_line(error)}") from error
