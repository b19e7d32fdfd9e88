"""The inverter that an evaluation is about, and what it was trained on, whether it is a run or a published one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inverter.blackbox.ancestors import ancestors_of
from inverter.blackbox.build import data_of, load_run, run_inverter
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.load import load_inverter
from inverter.blackbox.published import is_run, read_published, split_run
from inverter.targets.spec import TargetSpec


@dataclass(frozen=True)
class Subject:
    """An inverter and its training.

    Args:
        inverter: Ready to invert features.
        target: Network and layer whose features it was trained on.
        source: Where its training pictures came from.
        threat_model: What its training was given.
        began_with: Published inverters that it began with, see :mod:`inverter.blackbox.ancestors`.
        num_pairs: Pairs that it was trained on: the first of their folder, or pictures that went through the target.
        data: Folder of its pair shards; None for a published inverter, which has none.
    """

    inverter: Inverter
    target: TargetSpec
    source: str
    threat_model: str
    began_with: list[dict[str, Any]]
    num_pairs: int
    data: Path | None


def load_subject(name: str, prior: str | None = None) -> Subject:
    """Load a run's folder, or a published inverter by name, folder or hub id.

    Args:
        name: The run or the published inverter.
        prior: Where a published inverter's prior lies here; None where the inverter says.
    Raises:
        ValueError: Neither is there, the run trained a baseline, or a published config lacks its training.
    """
    if is_run(name):
        module, config, manifest = load_run(Path(name))
        num_pairs = min(config.data.limit or manifest.num_pairs, manifest.num_pairs)
        if config.data.images is not None:
            num_pairs = _pictures(Path(name))
        return Subject(
            run_inverter(module),
            manifest.target,
            manifest.source,
            manifest.threat_model,
            json.loads((split_run(Path(name))[0] / "train.json").read_text()).get("began_with", []),
            num_pairs,
            data_of(Path(name), config),
        )
    published = read_published(name)
    absent = [key for key in ("source", "threat_model", "pairs") if key not in published.training]
    if absent:
        raise ValueError(f"published inverter {published.folder}: training lacks {', '.join(absent)}")
    training = published.training
    return Subject(
        load_inverter(name, prior),
        published.target,
        str(training["source"]),
        str(training["threat_model"]),
        ancestors_of(published),
        int(training["pairs"]),
        None,
    )


def load_trained(name: str, prior: str | None = None) -> tuple[Inverter, TargetSpec]:
    """An inverter as :func:`load_subject` finds it, and the target that it is of; nothing about its training is needed.

    Raises:
        ValueError: There is none of that name, or the run trained a baseline.
    """
    if is_run(name):
        module, _, manifest = load_run(Path(name))
        return run_inverter(module), manifest.target
    return load_inverter(name, prior), read_published(name).target


def _pictures(run: Path) -> int:
    path = split_run(run)[0] / "summary.json"
    if not path.is_file():
        raise ValueError(f"{run} has no {path.name}; finish its training first")
    return int(json.loads(path.read_text())["pairs"])
