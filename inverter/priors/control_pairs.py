"""Pairs that a denoiser under control learned from: more than an attacker who uses it has of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import Field

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.config.strict import Count, read_strictly, strict_dataclass
from inverter.data.manifest import Manifest
from inverter.priors.variant import CONTROL_FOLDER

ABOUT = "pairs.json"
"""Beside the denoiser's weights, of whose hash it is no part."""
Line = Annotated[str, Field(pattern=r"^[^|$\x00-\x1f]*$")]  # it goes into tables and YAML


@strict_dataclass
class ControlPairs:
    """Features of one network and layer.

    Args:
        target: Network.
        layer: Its layer.
        payload: By which they travelled.
        source: Of the pictures.
        threat_model: What the attacker was given, texts among it.
        pairs: How many; None: not known.
        pictures: Photos and clips that these were cut from; None: not known.
    """

    target: Line
    layer: Line
    payload: Line
    source: Line
    threat_model: Line
    pairs: Count | None
    pictures: Count | None

    @classmethod
    def of(cls, manifest: Manifest) -> ControlPairs:
        def line(text: str) -> str:
            return re.sub(r"[|$\x00-\x1f]", "?", text)

        name, layer, payload = (
            line(text) for text in (manifest.target.name, manifest.target.layer, manifest.target.payload)
        )
        counts = {"pairs": manifest.num_pairs, "pictures": manifest.num_sources}
        return cls(name, layer, payload, line(manifest.source), line(manifest.threat_model), **counts)


def read_control_pairs(folder: Path) -> tuple[ControlPairs, ...] | None:
    """What lies in a prior's folder; None where nothing says it.

    Raises:
        ValueError: It is something else.
    """
    path = folder / CONTROL_FOLDER / ABOUT
    if not path.is_file():
        return None
    try:
        values = parse_json(path.read_bytes())
        if not isinstance(values, list):
            raise ValueError(f"it is a {type(values).__name__}; allowed: a list")
        return tuple(read_strictly("an entry", ControlPairs, each) for each in values)
    except ValueError as error:
        raise ValueError(f"prior {folder}: {CONTROL_FOLDER}/{ABOUT}: {one_line(error)}") from error


def format_control_pairs(pairs: Sequence[ControlPairs]) -> str:
    """JSON that :func:`read_control_pairs` reads."""
    return json.dumps([asdict(each) for each in pairs], indent=2) + "\n"


def describe_control_pairs(pairs: Sequence[ControlPairs] | None) -> str:
    """What the denoiser learned from, in words that follow on ``the denoiser learned from``."""
    if pairs is None:
        return "pairs that nothing tells of (unknown)"
    layers: dict[tuple[str, ...], list[str]] = {}
    for each in pairs:
        payload = "" if each.payload == "identity" else f" as {each.payload}"
        counts = [f"{n:,} {what}" for n, what in ((each.pairs, "pairs"), (each.pictures, "pictures")) if n is not None]
        amount = f" ({', '.join(counts)})" if counts else ""
        layers.setdefault((each.target, f"{payload} of {each.source}"), []).append(f"{each.layer}{amount}")
    return "; ".join(f"features of {target} at {', '.join(places)}{rest}" for (target, rest), places in layers.items())


def with_control_pairs(threat_model: str, pairs: Sequence[ControlPairs] | None) -> str:
    """A threat model that says what the denoiser learned from; it stays as it is where that was nothing, or is said."""
    if pairs == ():
        return threat_model
    clause = f"the denoiser learned from {describe_control_pairs(pairs)}"
    return threat_model if clause in threat_model else f"{threat_model}; {clause}"
