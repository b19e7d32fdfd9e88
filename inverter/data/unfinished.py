"""Which folders of pairs still lack some; a finished one is held against what its source and defence are now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inverter.config.errors import one_line
from inverter.data.fingerprint import Fingerprint
from inverter.data.manifest import Manifest
from inverter.data.sources.open import open_source
from inverter.targets.defence import find_mark

if TYPE_CHECKING:
    from inverter.config import PrepareConfig

log = logging.getLogger(__name__)


def folder_of(config: PrepareConfig) -> Path:
    """Where the pairs of a split lie."""
    return Path(config.output) / config.split


def find_unfinished(configs: Sequence[PrepareConfig]) -> dict[str, Fingerprint]:
    """Fingerprints, by output, of the folders that are not finished.

    Raises:
        ValueError: A folder holds pairs of another recipe, of another defence, or of other files than its source has.
    """
    unfinished = {}
    for config in configs:
        fingerprint = Fingerprint(folder_of(config), config)
        if fingerprint.complete:
            check_defence(config)
            _follow_source(config, fingerprint)
        if fingerprint.complete:
            log.info("%s is finished: %d pairs", folder_of(config), Manifest.load(folder_of(config)).num_pairs)
        else:
            unfinished[config.output] = fingerprint
    return unfinished


def check_defence(config: PrepareConfig) -> None:
    """Raise ValueError where a finished folder was made with another defence than ``target.defence`` holds now."""
    made = Manifest.load(folder_of(config)).target.defence
    if config.target.defence is not None and (now := find_mark(config.target.defence)) != made:
        raise ValueError(
            f"target.defence={config.target.defence!r} is {now}, but {folder_of(config)} was made with "
            f"{made or 'none'}; choose another output or delete it"
        )


def _follow_source(config: PrepareConfig, fingerprint: Fingerprint) -> None:
    """Look whether the source of a finished folder holds more than it did; one that is gone is no error."""
    if config.source in ("prior", "photos"):
        return
    try:
        source = open_source(config)
        listing = source.listing()
    except (ValueError, OSError) as error:
        log.warning("%s is not compared with its source: %s", folder_of(config), one_line(error))
        return
    num_pairs = Manifest.load(folder_of(config)).num_pairs
    if listing is not None and fingerprint.listed:
        fingerprint.follow(listing)
    elif source.num_images not in (None, num_pairs):
        counts = (folder_of(config), num_pairs, config.source, source.num_images)
        log.warning("%s holds %d pairs, but source=%s has %d pictures now; choose another output for those", *counts)
