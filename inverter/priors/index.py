"""``model_index.json`` of a prior: the class of each part, read without the libraries that define them."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inverter.config.errors import one_line
from inverter.config.parse import parse_json

INDEX = "model_index.json"
TRAINING = "training.json"  # what trained the parts, where this project did


def read_index(folder: Path) -> dict[str, Any]:
    """``model_index.json`` of a prior's folder: the class of each part.

    Raises:
        ValueError: It cannot be read, or is no JSON object.
    """
    return read_object(folder / INDEX)


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object that lies in a prior.

    Raises:
        ValueError: It cannot be read, or is no JSON object.
    """
    with reading(path):
        values = parse_json(path.read_bytes())
        if not isinstance(values, dict):
            raise ValueError(f"it is a {type(values).__name__}; allowed: an object")
        return values


def read_object_if_there(path: Path) -> dict[str, Any]:
    """As :func:`read_object`; empty where there is no such file."""
    return read_object(path) if path.is_file() else {}


def autoencoder_name(folder: Path, index: dict[str, Any]) -> str:
    """Name of diffusers' class of the autoencoder that ``model_index.json`` names.

    Raises:
        ValueError: It names none.
    """
    match index.get("vae"):
        case [_, str(name)] if name.startswith("Autoencoder"):
            return name
        case named:
            raise ValueError(f"prior {folder}: vae class {reprlib.repr(named)} is no diffusers autoencoder")


def has_part(folder: Path, index: dict[str, Any], part: str) -> bool:
    """Whether a prior's index names a part, and the part is there."""
    return bool((index.get(part) or [None])[0]) and (folder / part).is_dir()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise whatever fails inside as a ValueError that names the part of the prior."""
    try:
        yield
    except Exception as error:  # the libraries fail with errors of many packages
        raise ValueError(f"prior part {path} cannot be read: {one_line(error)}") from error
