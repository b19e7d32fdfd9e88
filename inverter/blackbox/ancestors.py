"""Published inverters that a training began with: what is recorded of them, and what reports say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inverter.blackbox.published import WEIGHTS, Published, split_run
from inverter.data.manifest import Manifest, file_sha256

TEXTS = ("name", "weights_sha256", "source", "threat_model")
COUNTS = ("pairs", "pairs_seen")


def ancestors(published: Published) -> list[dict[str, Any]]:
    """A published inverter and, behind it, those that its own training began with.

    Returns:
        For each its ``name``, ``weights_sha256`` (of its file), ``source``, ``threat_model``, ``pairs`` and
        ``pairs_seen``: what publishing the training will show.
    Raises:
        ValueError: Its config says something else of them than a line of text and counts.
    """
    sha256 = file_sha256(published.folder / WEIGHTS)
    mine = {"name": published.folder.name, "weights_sha256": sha256, **published.training}
    return [_checked(mine, published), *ancestors_of(published)]


def run_ancestors(folder: Path) -> list[dict[str, Any]]:
    """As :func:`ancestors`, of a training run.

    Raises:
        ValueError: It has not finished.
    """
    run = split_run(folder)[0]
    try:
        summary = json.loads((run / "summary.json").read_text())
        before = json.loads((run / "train.json").read_text()).get("began_with", [])
        sha256 = file_sha256(run / "checkpoints" / "best.ckpt")
    except (OSError, ValueError) as error:
        raise ValueError(f"{run} is no finished training run ({error})") from error
    manifest = Manifest.load(folder)
    about = {"source": manifest.source, "threat_model": manifest.threat_model}
    return [{"name": folder.name, "weights_sha256": sha256, **about, **{key: summary[key] for key in COUNTS}}, *before]


def ancestors_of(published: Published) -> list[dict[str, Any]]:
    """Those alone that a published inverter's training began with; none for one that began with random weights."""
    before = published.training.get("began_with", [])
    if not isinstance(before, list) or not all(isinstance(each, Mapping) for each in before):
        raise ValueError(
            f"published inverter {published.folder}: training.began_with is {before!r}; allowed: a list of mappings"
        )
    return [_checked(each, published) for each in before]


def _checked(origin: Mapping[str, Any], published: Published) -> dict[str, Any]:
    where = f"published inverter {published.folder}: training"
    for key in TEXTS:
        text = origin.get(key)
        if not isinstance(text, str) or not text.isprintable() or "|" in text or "${" in text:  # it goes into tables
            raise ValueError(f"{where}: {key} is {text!r}; allowed: a line of text without | and ${{")
    for key in COUNTS:
        count = origin.get(key)
        if type(count) is not int or count < 0:
            raise ValueError(f"{where}: {key} is {count!r}; allowed: a number of 0 or more")
    return {key: origin[key] for key in (*TEXTS, *COUNTS)}


def notes(before: Sequence[Mapping[str, Any]], threat_model: str) -> list[str]:
    """A sentence for each inverter that a training began with; with its threat model where that is another one."""
    return [
        f"Began with {each['name']} (weights {each['weights_sha256'][:12]}), trained on {each['pairs']:,} pairs from "
        f"{each['source']}, where retrieval does not look."
        + (f" Its threat model: {each['threat_model']}." if each["threat_model"] != threat_model else "")
        for each in before
    ]
