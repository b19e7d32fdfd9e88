"""What published inverters say of themselves: found, read and checked without weights, and without torch."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inverter.blackbox.spec import InverterSpec
from inverter.errors import one_line
from inverter.parse import parse_yaml
from inverter.priors.location import checkpoints_root, find_published
from inverter.targets.spec import TargetSpec, check_same_features

log = logging.getLogger(__name__)
SCHEMA_VERSION = 2
WEIGHTS, CONFIG = "model.safetensors", "config.yaml"


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
    """Whether a name is the folder of a training run, so not a published inverter."""
    return (Path(name) / "train.yaml").is_file()


def is_published(name: str) -> bool:
    """Whether ``checkpoints/`` has a folder of this name."""
    return (checkpoints_root() / name / WEIGHTS).is_file()


def names_of(layer: str, input_size: int) -> list[str]:
    """What there is in ``checkpoints/`` under the names of an inverter of these features, such as ``blocks.2-64``."""
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
        values = parse_yaml((folder / CONFIG).read_bytes())
        _check_config(values)
        return Published(
            folder=folder,
            spec=(InverterSpec.from_first_version if values["schema_version"] == 1 else InverterSpec.from_dict)(
                values["inverter"]
            ),
            target=TargetSpec.from_dict(values["target"]),
            prior=values["prior"],
            prior_sha256=values["prior_sha256"],
            training=values["training"],
        )
    except (OSError, ValueError) as error:
        raise ValueError(f"published inverter {folder}: {CONFIG} cannot be used: {one_line(error)}") from error


def _check_config(values: Any) -> None:
    kinds: dict[str, type] = {"schema_version": int, "inverter": dict, "target": dict, "training": dict}
    kinds |= {"prior": str, "prior_sha256": str}
    if not isinstance(values, dict) or values.keys() != kinds.keys():
        found = sorted(map(str, values)) if isinstance(values, dict) else values
        raise ValueError(f"keys are {found!r}; allowed: {', '.join(kinds)}")
    for key, kind in kinds.items():
        if type(values[key]) is not kind:
            raise ValueError(f"{key} is {values[key]!r}; allowed: a {kind.__name__}")
    if values["schema_version"] not in (1, SCHEMA_VERSION):
        raise ValueError(f"schema_version is {values['schema_version']}; allowed: 1, {SCHEMA_VERSION}")


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
