"""What a trained defence's folder says, read without torch: ``defence.json`` beside the weights that it changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.config.strict import Count, Sha256, read_strictly, strict_dataclass
from inverter.run.files import write_text
from inverter.targets.spec import DefenceMark, TargetSpec

SCHEMA_VERSION: Final = 1
SPEC, WEIGHTS = "defence.json", "model.safetensors"
Share = Annotated[float, Field(ge=0, le=1)]


@strict_dataclass
class Utility:
    """What the server's half makes of what the defended device sends, measured on pictures of ``dev``.

    Args:
        num_images: Pictures.
        agreement: Share whose first class is the undefended network's.
        divergence: Mean Kullback-Leibler divergence from the undefended network's classes, in nats.
        sent_bytes: Mean bytes a picture.
        undefended_bytes: Likewise, undefended.
        num_labels: Pictures with a label.
        top1: Of these, the share whose first class is the label; None where there is none.
        undefended_top1: Likewise, undefended.
    """

    num_images: Count
    agreement: Share
    divergence: float
    sent_bytes: float
    undefended_bytes: float
    num_labels: int = 0
    top1: Share | None = None
    undefended_top1: Share | None = None


@strict_dataclass
class DefenceSpec:
    """A device's half that was changed by training.

    Args:
        schema_version: Of this file.
        kind: Defence, such as ``nopeek``.
        settings: Its settings.
        target: The undefended target that it was made for, tapped at one layer.
        cut: What it adds where the network is cut: ``kind`` and settings of :mod:`inverter.targets.cuts`; None: none.
        payload: What belongs to the defence of how features travel; ``target.payload`` comes behind it.
        knows: What an attacker knows of it, half a sentence.
        trained_on: Source of the pictures.
        weights_sha256: SHA-256 of ``model.safetensors``.
        utility: On ``dev``.
        origins_sha256: SHA-256 of ``origins.json``, which holds those of the pictures that it was trained on; None:
            there is none.
    """

    schema_version: Literal[1]
    kind: str
    settings: dict[str, Any]
    target: TargetSpec
    cut: dict[str, Any] | None
    payload: str
    knows: str
    trained_on: str
    weights_sha256: Sha256
    utility: Utility
    origins_sha256: Sha256 | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {**asdict(self), "target": self.target.to_dict()}
        if self.origins_sha256 is None:  # as before there were any, so that their marks stay
            del values["origins_sha256"]
        return values

    @property
    def mark(self) -> DefenceMark:
        """What a target's spec keeps of it."""
        return DefenceMark(self.kind, _seal(self.to_dict()))

    def save(self, folder: Path) -> None:
        """Write ``defence.json``, sealed, whole or not at all."""
        values = self.to_dict()
        write_text(folder / SPEC, json.dumps({**values, "sha256": _seal(values)}, indent=1) + "\n")


def read_defence(folder: str | Path) -> DefenceSpec:
    """Read what a folder that `inverter defend` wrote says, weights left aside.

    Raises:
        ValueError: There is none, it is damaged, or it was edited.
    """
    path = Path(folder) / SPEC
    if not path.is_file():
        raise ValueError(f"target.defence={str(folder)!r} has no {SPEC}; allowed: what `inverter defend` wrote")
    try:
        values = parse_json(path.read_bytes())
        if not isinstance(values, dict):
            raise ValueError(f"it holds a {type(values).__name__}; allowed: an object")
        sealed = values.pop("sha256", None)
        spec = read_strictly("defence", DefenceSpec, values, optional=("origins_sha256",))
    except (OSError, ValueError) as error:
        raise ValueError(f"target.defence={str(folder)!r}: {SPEC} cannot be used: {one_line(error)}") from error
    if sealed != _seal(values):
        raise ValueError(f"target.defence={str(folder)!r}: {SPEC} was edited since it was written; train it anew")
    return spec


def _seal(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def find_mark(folder: str | None) -> DefenceMark | None:
    """The mark of a defence's folder; None without one.

    Raises:
        ValueError: As :func:`read_defence`.
    """
    return None if folder is None else read_defence(folder).mark


def check_same_defence(what: str, given: str | None, noted: DefenceMark | None) -> None:
    """Raise ValueError unless the defence in the folder ``given`` is the one that ``what`` was made with."""
    mark = find_mark(given)
    if mark != noted:
        raise ValueError(
            f"target.defence is {mark or 'null'}, but {what} {noted or 'an undefended target'}; "
            + (f"give the folder of {noted} as target.defence" if noted else "leave target.defence out")
        )
