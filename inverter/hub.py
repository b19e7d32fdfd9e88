"""Published inverters: a folder with weights, config, metrics, model card and preview; save, load, check, list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from inverter.blackbox.inverter import Inverter, InverterSpec
from inverter.checkpoints import check_weights
from inverter.errors import one_line
from inverter.parse import parse_yaml
from inverter.priors.location import checkpoints_root, find_published
from inverter.priors.prior import DiffusionPrior, load_prior
from inverter.run_record import write_bytes, write_text
from inverter.targets.spec import TargetSpec, check_same_features

SCHEMA_VERSION = 1
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


def save_inverter(inverter: Inverter, folder: Path, target: TargetSpec, training: dict[str, Any]) -> None:
    """Write ``model.safetensors`` (half precision) and ``config.yaml``."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.half().contiguous() for name, value in inverter.state_dict().items()}
    write_bytes(folder / WEIGHTS, save(state))
    config = {
        "schema_version": SCHEMA_VERSION,
        "inverter": inverter.spec.to_dict(),
        "target": target.to_dict(),
        "prior": inverter.prior.name,
        "prior_sha256": inverter.prior.weights_sha256,
        "training": training,
    }
    write_text(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(json.loads(json.dumps(config)))))


def is_run(name: str) -> bool:
    """Whether a name is the folder of a training run, so not a published inverter."""
    return (Path(name) / "train.yaml").is_file()


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
            spec=InverterSpec.from_dict(values["inverter"]),
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
    if values["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema_version is {values['schema_version']}; allowed: {SCHEMA_VERSION}")


def load_inverter(name: str, prior: DiffusionPrior | str | None = None, target: TargetSpec | None = None) -> Inverter:
    """Load a published inverter with its prior, ready to invert features; no target is built.

    Args:
        name: Folder name under ``checkpoints/``, path, or hub id.
        prior: Prior already loaded, or where its weights lie here; None loads the one that the inverter names, which
            may be a folder of the machine that trained it.
        target: Spec of the network whose features will be inverted, to be checked; None checks their shape only.
    Raises:
        ValueError: Not found, damaged, weights that do not fit, another target or layer, or a prior with other weights
            than it was trained with.
    """
    published = read_published(name)
    if target is not None:
        check_target(published, target)
    if not isinstance(prior, DiffusionPrior):
        prior = load_prior(prior or published.prior)
    if prior.weights_sha256 != published.prior_sha256:
        raise ValueError(
            f"inverter {name!r} was trained with prior {published.prior!r} of weights {published.prior_sha256[:12]}; "
            f"the one at hand has {prior.weights_sha256[:12]}"
        )
    try:
        state = {key: value.float() for key, value in load_file(published.folder / WEIGHTS).items()}
        if broken := [key for key, value in state.items() if not value.isfinite().all()]:
            raise ValueError(f"weight {broken[0]} holds NaN or infinity")
        with torch.device("meta"):  # takes no memory, whatever sizes the config asks for
            check_weights(Inverter(published.spec), state)
        inverter = Inverter(published.spec)
        inverter.load_state_dict(state)
    except (SafetensorError, RuntimeError, ValueError, OSError) as error:
        message = f"published inverter {published.folder}: {WEIGHTS} cannot be used: {one_line(error)}"
        raise ValueError(message) from error
    return inverter.attach(prior).eval()


def check_target(published: Published, target: TargetSpec) -> None:
    """Raise ValueError unless features of ``target`` are what the inverter was trained on."""
    check_same_features(f"inverter {published.folder.name!r}", published.target, target)


def list_inverters(folder: Path | None = None) -> Iterator[Published]:
    """Published inverters in a folder, ``checkpoints/`` by default, in order of name."""
    for weights in sorted((folder or checkpoints_root()).glob(f"*/{WEIGHTS}")):
        yield read_published(str(weights.parent))
