"""What published inverters say of themselves: found, read and checked without weights, and without torch."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from inverter.blackbox.spec import InverterSpec
from inverter.config.errors import one_line
from inverter.config.parse import parse_yaml
from inverter.config.strict import read_strictly, strict_dataclass
from inverter.run.hub import checkpoints_root, find_published, own_hub_id
from inverter.targets.spec import TargetSpec, check_same_features

log = logging.getLogger(__name__)
SCHEMA_VERSION = 3
READERS = {1: InverterSpec.from_first_version, 2: InverterSpec.from_second_version, 3: InverterSpec.from_dict}
WEIGHTS, CONFIG, LORA = "model.safetensors", "config.yaml", "denoiser_lora.safetensors"


@strict_dataclass
class _Config:
    schema_version: Literal[1, 2, 3]
    inverter: dict[str, Any]
    target: TargetSpec
    prior: str
    prior_sha256: str
    training: dict[str, Any]


@dataclass(frozen=True)
class Published:
    """What a published inverter says of itself.

    Args:
        folder: Where it lies.
        spec: Rebuilds its modules.
        target: Network and layer whose features it inverts.
        prior: Name of the prior that decodes.
        prior_sha256: Hash of that prior's weights.
        training: Data, pairs, budget, commit: plain data for the model card.
    """

    folder: Path
    spec: InverterSpec
    target: TargetSpec
    prior: str
    prior_sha256: str
    training: dict[str, Any]


def is_run(name: str) -> bool:
    """Whether a name is the folder of a training run, or of one of its further inverters; else it is published."""
    root, number = split_run(Path(name))
    return (root / "train.yaml").is_file() and (not number or Path(name).is_dir())


def split_run(folder: Path) -> tuple[Path, int]:
    """Folder of a run, and which of its inverters is meant: ``RUN`` is the first, ``RUN/also-1`` the second."""
    if match := re.fullmatch(r"also-(\d+)", folder.name):
        return folder.parent, int(match[1])
    return folder, 0


def is_published(name: str) -> bool:
    """Whether ``checkpoints/`` has a folder of this name, or the owner in ``hub.yaml`` a repository."""
    if (checkpoints_root() / name / WEIGHTS).is_file():
        return True
    try:
        return own_hub_id(name) is not None and bool(find_published(name, marker=WEIGHTS, kind="inverter"))
    except ValueError:
        return False


def names_of(layer: str, input_size: int) -> list[str]:
    """What is published under the names of an inverter of these features, such as ``blocks.2-64``."""
    return list(filter(is_published, (f"{layer}-{input_size}", layer)))


def read_published(name: str) -> Published:
    """Read a published inverter's config by name, folder or hub id; no weights are loaded.

    Raises:
        ValueError: Not found, a run that is not published, or a config that is damaged or of another schema version.
    """
    if is_run(name):
        raise ValueError(
            f"inverter {name!r} is a training run; allowed: a published one, which "
            f"`inverter publish {name} name=NAME` makes of it"
        )
    folder = find_published(name, marker=WEIGHTS, kind="inverter")
    try:
        config = read_strictly("config", _Config, parse_yaml((folder / CONFIG).read_bytes()))
        spec = READERS[config.schema_version](config.inverter)
        return Published(folder, spec, config.target, config.prior, config.prior_sha256, config.training)
    except (OSError, ValueError) as error:
        raise ValueError(f"published inverter {folder}: {CONFIG} cannot be used: {one_line(error)}") from error


def check_target(published: Published, target: TargetSpec) -> None:
    """Raise ValueError unless features of ``target`` are what the inverter was trained on."""
    check_same_features(f"inverter {published.folder.name!r}", published.target, target)


def list_inverters(folder: Path | None = None) -> Iterator[Published]:
    """Published inverters in a folder, ``checkpoints/`` by default, in order of name; damaged ones are logged."""
    for weights in sorted((folder or checkpoints_root()).glob(f"[!.]*/{WEIGHTS}")):
        try:
            yield read_published(str(weights.parent))
        except ValueError as error:
            log.warning("%s", error)
