"""The inverter that an evaluation is about, and what it was trained on, whether it is a run or a published one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inverter.blackbox.ancestors import ancestors_of
from inverter.blackbox.config import TrainConfig
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.load import load_inverter
from inverter.blackbox.published import is_run, read_published, split_run
from inverter.config import MemoryConfig
from inverter.data.manifest import Manifest
from inverter.priors.control_pairs import with_control_pairs
from inverter.priors.variant import split_name
from inverter.targets.spec import TargetSpec


@dataclass(frozen=True)
class TrainedInverter:
    """An inverter and its training.

    Args:
        inverter: Ready to invert features.
        target: Network and layer whose features it was trained on.
        source: Where its training pictures came from.
        threat_model: What its training was given, with what its prior's denoiser had learned from.
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


def load_trained_inverter(name: str, prior: str | None = None, memory: MemoryConfig | None = None) -> TrainedInverter:
    """Load a run's folder, or a published inverter by name, folder or hub id.

    Args:
        name: The run or the published inverter; with ``+few-step`` behind it, its few-step variant.
        prior: Where a published inverter's prior lies here; None where the inverter says.
        memory: What the prior may take; None is float32, of a run what it was trained with.
    Raises:
        ValueError: Neither is there, the run trained a baseline, a published config lacks its training, or there is
            no few-step variant.
    """
    base, few_step = split_name(name)
    if is_run(base):
        from inverter.blackbox.build import data_of  # only a run needs what trains

        inverter, config, manifest = _load_run(Path(base), few_step, memory)
        num_pairs = min(config.data.limit or manifest.num_pairs, manifest.num_pairs)
        if config.data.images is not None:
            num_pairs = _pictures(Path(base))
        return TrainedInverter(
            inverter,
            manifest.target,
            manifest.source,
            with_control_pairs(manifest.threat_model, inverter.prior.control_pairs),
            json.loads((split_run(Path(base))[0] / "train.json").read_text()).get("began_with", []),
            num_pairs,
            data_of(Path(base), config),
        )
    published = read_published(base)
    absent = [key for key in ("source", "threat_model", "pairs") if key not in published.training]
    if absent:
        raise ValueError(f"published inverter {published.folder}: training lacks {', '.join(absent)}")
    training = published.training
    inverter = load_inverter(name, prior, memory=memory)
    return TrainedInverter(
        inverter,
        published.target,
        str(training["source"]),
        with_control_pairs(str(training["threat_model"]), inverter.prior.control_pairs),
        ancestors_of(published),
        int(training["pairs"]),
        None,
    )


def load_any_inverter(
    name: str, prior: str | None = None, memory: MemoryConfig | None = None
) -> tuple[Inverter, TargetSpec]:
    """An inverter as :func:`load_trained_inverter` finds it, and its target; nothing of its training is needed.

    Raises:
        ValueError: There is none of that name, or the run trained a baseline.
    """
    base, few_step = split_name(name)
    if is_run(base):
        inverter, _, manifest = _load_run(Path(base), few_step, memory)
        return inverter, manifest.target
    return load_inverter(name, prior, memory=memory), read_published(base).target


def _load_run(folder: Path, few_step: bool, memory: MemoryConfig | None) -> tuple[Inverter, TrainConfig, Manifest]:
    from inverter.blackbox.build import load_run, run_inverter
    from inverter.blackbox.few_step import few_step_variant

    module, config, manifest = load_run(folder, memory)
    inverter = run_inverter(module)
    return few_step_variant(inverter, folder) if few_step else inverter, config, manifest


def _pictures(run: Path) -> int:
    path = split_run(run)[0] / "summary.json"
    if not path.is_file():
        raise ValueError(f"{run} has no {path.name}; finish its training first")
    return int(json.loads(path.read_text())["pairs"])
