"""Ranges and codebooks of payloads, measured on the first training pictures and the same for everything after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inverter.data.build import PairBuilder
from inverter.data.fingerprint import Fingerprint
from inverter.data.manifest import MANIFEST, Manifest
from inverter.payloads import make_payload, same_payload
from inverter.payloads.codebooks import load_codebooks, named_in, recall, remember
from inverter.run.processes import gather

if TYPE_CHECKING:
    from inverter.config import PrepareConfig


def fit_payloads(
    builder: PairBuilder, configs: Sequence[PrepareConfig], fingerprints: Mapping[str, Fingerprint]
) -> None:
    """Have the builder's target send by payloads with what is measured: the folder's own, else the training pairs'.

    Where the training pairs are what is prepared, it is measured on the first of their pictures: 64 for a range.

    Args:
        builder: Of the pairs.
        configs: Of its targets, whose name is ``output``.
        fingerprints: Of their folders, by output.
    Raises:
        ValueError: There are no training pairs beside another split, or theirs is another payload.
    """
    if builder.target is None or not builder.target.fits:
        return
    fitting = [config for config in configs if make_payload(config.target.payload).fits]
    noted = {config.output: _noted(config, fingerprints[config.output]) for config in fitting}
    if None not in noted.values():
        builder.target.use_payloads({output: str(name) for output, name in noted.items()})
        return
    fitted = builder.fit()
    books = {digest: recall(digest) for name in fitted.values() for digest in named_in(name)}
    measured, first = gather([(fitted, books)])[0]  # the first process's: on other hardware last bits may be others
    for each in first.values():
        remember(each)
    builder.target.use_payloads({output: name or measured[output] for output, name in noted.items()})


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
    payload = Manifest.load(train).target.payload
    if not same_payload(wanted, payload):
        raise ValueError(f"target.payload={wanted}, but the pairs in {train} were made with {payload}")
    return payload
