"""Ranges and codebooks of payloads, measured on the first training pictures and the same for everything after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inverter.data.build import PairBuilder
from inverter.data.fingerprint import Fingerprint
from inverter.data.manifest import MANIFEST, Manifest
from inverter.payloads import same_payload
from inverter.payloads.codebooks import load_codebooks, named_in, recall, remember
from inverter.run.processes import gather

if TYPE_CHECKING:
    from inverter.config import PrepareConfig


def fitted_payloads(
    configs: Sequence[PrepareConfig], builder: PairBuilder, fingerprints: Mapping[str, Fingerprint]
) -> dict[str, str]:
    """Names of payloads with what is measured, by output: the folder's own, else the training pairs'.

    Where the training pairs are what is prepared, it is measured on the first of their pictures: 64 for a range.

    Raises:
        ValueError: There are no training pairs beside another split, or theirs is another payload.
    """
    noted = {config.output: _noted(config, fingerprints[config.output]) for config in configs}
    if all(noted.values()):
        return {output: str(name) for output, name in noted.items()}
    found = builder.fit()
    books = {digest: recall(digest) for name in found.values() for digest in named_in(name)}
    measured, first = gather([(found, books)])[0]  # the first process's: on other hardware last bits may be others
    for each in first.values():
        remember(each)
    return {output: name or measured[output] for output, name in noted.items()}


def _noted(config: PrepareConfig, fingerprint: Fingerprint) -> str | None:
    begun = fingerprint.saved.get("weights")
    if begun is not None:
        name = str(begun["target"]["payload"])
        load_codebooks(name, lambda file: (fingerprint.path.parent / file).open("rb"))
        return name
    if config.split == "train":
        return None
    train, wanted = Path(config.output) / "train", config.target.payload
    if not (train / MANIFEST).is_file():
        raise ValueError(
            f"target.payload={wanted} takes its range from {train}, where no pairs are: prepare them first"
        )
    found = Manifest.load(train).target.payload
    if not same_payload(wanted, found):
        raise ValueError(f"target.payload={wanted}, but the pairs in {train} were made with {found}")
    return found
