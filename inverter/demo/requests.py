"""What the page may ask for, each with its progress: pictures as they come, as HTML."""

from __future__ import annotations

import re
import reprlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inverter.demo.compute import (
    MOST_TEXT,
    ArrivedFeatures,
    Draw,
    mean,
    read_features,
    read_photo,
    sample,
    search,
    send_photo,
)
from inverter.demo.inverters import Inverters
from inverter.demo.view import Figure, show_figures, show_sent

PHOTO, FEATURES = "photo", "features"
EVERY_SECONDS = 0.4
"""Between two iterates that are shown."""


@dataclass(frozen=True)
class Chosen:
    """What was chosen on the page.

    Args:
        source: ``photo`` or ``features``: which of the two files counts.
        photo: Path of a picture.
        features: Path of a feature file.
        inverter: Its name.
        payload: Empty is the one that the inverter was trained on.
    """

    source: str
    photo: str | None
    features: str | None
    inverter: str
    payload: str = ""


def send(inverters: Inverters, chosen: Chosen) -> ArrivedFeatures:
    """What travels of the photo, or what lies in the feature file.

    Raises:
        ValueError: There is no file, or it cannot be read; or as :func:`inverter.demo.compute.send_photo`.
    """
    check_payload(chosen.payload)
    path = chosen.photo if chosen.source == PHOTO else chosen.features
    if path is None:
        needed = "a photo" if chosen.source == PHOTO else "a feature file"
        raise ValueError(f"there is nothing to invert; choose or drop {needed}")
    if chosen.source == PHOTO:
        return send_photo(inverters, chosen.inverter, chosen.payload, read_photo(Path(path)))
    return read_features(inverters, chosen.inverter, Path(path))


def check_payload(payload: str) -> None:
    """Raise ValueError where a payload names a file, such as one of codebooks: none is read for a browser."""
    if re.search(r"[/\\]|\.safetensors", payload) or len(payload) > MOST_TEXT:
        raise ValueError(f"payload is {reprlib.repr(payload)}; allowed here: {MOST_TEXT} characters that name no file")


def reconstruct(inverters: Inverters, chosen: Chosen, draw: Draw) -> Iterator[tuple[str, str]]:
    """What travels, and what comes back: first ``mean``, then with the samples.

    Raises:
        ValueError: As :func:`send`, or a value of ``draw`` is out of range.
    """
    draw.check(inverters.config.max_draws)
    begun = time.monotonic()
    sent = send(inverters, chosen)
    travels = show_sent(sent, inverters.inverter(chosen.inverter)[1], chosen.payload)
    figures: list[Figure] = [("mean", mean(inverters, chosen.inverter, sent), "one pass")]
    names = [f"sample, seed {draw.seed + number}" for number in range(draw.number)]
    yield travels, show_figures(sent, figures, f"mean after {time.monotonic() - begun:.1f} s", names)
    drawn = sample(inverters, chosen.inverter, sent, draw)
    figures += [(name, picture, "drawn") for name, picture in zip(names, drawn, strict=True)]
    yield travels, show_figures(sent, figures, f"{time.monotonic() - begun:.1f} s in all")


def attack(inverters: Inverters, chosen: Chosen, method: str, seconds: float) -> Iterator[str]:
    """The iterates of a white-box attack: those after 1, 2, 4, 8 ... steps stay, the newest stands behind them.

    Raises:
        ValueError: As :func:`send` and :func:`inverter.demo.compute.search`.
    """
    sent = send(inverters, chosen)
    planned, iterates = search(inverters, chosen.inverter, chosen.payload, sent, method, seconds)
    yield show_figures(sent, [], f"{method}: at its start")
    kept: list[Figure] = []
    last: list[Figure] = []
    shown, note = -EVERY_SECONDS, ""
    for step, result in enumerate(iterates, 1):
        last = [*kept, (f"step {step}", result.images[0], "")]
        note = (
            f"{method}: step {step} of {planned}, feature loss {float(result.feature_loss[0]):.4g}, "
            f"{int(result.counts['target_queries'][0])} target queries, {result.seconds:.1f} s"
        )
        if step & (step - 1) == 0:
            kept = last
        if (now := time.monotonic()) - shown >= EVERY_SECONDS:
            shown = now
            yield show_figures(sent, last, note)
    yield show_figures(sent, last, f"{note}; done")
