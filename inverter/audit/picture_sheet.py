"""The few pictures that are shown of every attack, always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inverter.audit.metrics import CEILING, read_per_image
from inverter.audit.plan import Step
from inverter.evaluation.harness import ORIGINAL
from inverter.evaluation.methods import NEAREST_BY_FEATURES, STATIC
from inverter.evaluation.recon_files import recon_path

SHOWN = ("mean", "sample")


@dataclass(frozen=True)
class Strip:
    """What a method made of the same pictures, in one order, as PNG files; without a layer it needs no features."""

    layer: str
    method: str
    pictures: tuple[bytes, ...]


@dataclass(frozen=True)
class PictureSheet:
    """Strips of the audited pictures: the originals, the round trip, then of each layer ``mean``, ``sample`` and what
    retrieval finds."""

    keys: tuple[str, ...]
    strips: tuple[Strip, ...]


def read_sheet(steps: Sequence[Step], num_pictures: int) -> PictureSheet:
    """Read the pictures that the evaluations wrote.

    The first picture of each source comes first, then further ones, so that few pictures show many sources.

    Raises:
        ValueError: A picture is missing.
    """
    per_image = read_per_image(steps[0].evaluation / "per_image.csv")
    first: dict[str, str] = {}
    for key, group in zip(per_image.keys, per_image.groups, strict=True):
        first.setdefault(group, key)
    keys = tuple(dict.fromkeys([*first.values(), *per_image.keys]))[:num_pictures]
    strips = [_strip(steps[0], "", method, keys) for method in (ORIGINAL, CEILING)]
    for step in steps:
        static = [f"{STATIC}{method}" for method in SHOWN if step.evaluate.static is not None]
        strips += [_strip(step, step.name, method, keys) for method in (*SHOWN, *static, NEAREST_BY_FEATURES)]
    return PictureSheet(keys, tuple(strips))


def _strip(step: Step, layer: str, method: str, keys: Sequence[str]) -> Strip:
    folder: Path = step.evaluation / "recon"
    try:
        return Strip(layer, method, tuple(recon_path(folder, method, key).read_bytes() for key in keys))
    except OSError as error:
        raise ValueError(
            f"{folder}: a picture is missing ({error}); delete {step.evaluation} to evaluate again"
        ) from error
