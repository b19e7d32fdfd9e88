"""What the shards in a folder were made from, so that a folder never mixes two recipes, precisions or sources."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.data.manifest import MANIFEST, UNKNOWN
from inverter.data.shards import count_pairs
from inverter.run.files import write_text
from inverter.run.processes import rank
from inverter.run.recipe import Recipe
from inverter.run.record import commit

if TYPE_CHECKING:
    from inverter.config import PrepareConfig

log = logging.getLogger(__name__)
FINGERPRINT = "prepare.json"
NO_RECIPE = ("output", "max_time", "device", "precision")


class Fingerprint:
    """``prepare.json`` beside the shards.

    Args:
        folder: Folder of the shards.
        config: Recipe; ``output``, ``max_time``, ``device`` and ``precision`` play no part in it: what ``precision``
            stands for is compared by ``begin``.
    Raises:
        ValueError: The folder holds shards of another recipe, or of none that is known.
    """

    def __init__(self, folder: Path, config: PrepareConfig) -> None:
        self.path, self.max_time, self.pairs = folder / FINGERPRINT, config.max_time, config.pairs
        self.source, self.grown = config.source, False
        self.recipe = Recipe(config, NO_RECIPE)
        written = (folder / MANIFEST).exists() or any(folder.glob("*.tar"))
        if not written or not self.path.is_file():  # a run that failed before its first shard binds no other
            if written:
                raise ValueError(
                    f"output: {folder} holds shards but no {FINGERPRINT}; choose another output or delete it"
                )
            self.saved: dict[str, Any] = {"complete": False}
            return
        try:
            self.saved = parse_json(self.path.read_bytes())
            written_by = dict(self.saved["recipe"])
            self.saved["complete"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"output: {self.path} is damaged ({one_line(error)}); choose another output") from error
        self.recipe.check(written_by, f"output: {folder}")
        if config.precision != "auto":
            self._check_precision(config.precision)

    @property
    def complete(self) -> bool:
        """Whether all shards and the manifest were written, or as many as fit into no less time than there is now."""
        if not self.saved["complete"] or not self.path.with_name(MANIFEST).is_file():
            return False
        stopped_after = self.saved.get("stopped_after")
        return stopped_after is None or (self.max_time is not None and self.max_time <= stopped_after)

    @property
    def listed(self) -> bool:
        """Whether it says what the source held."""
        return "source" in self.saved

    def follow(self, listing: Sequence[str]) -> None:
        """Compare what the source holds now with what it held; where it only became longer, there is more to do.

        Args:
            listing: Of the source, see ``ImageSource.listing``.
        Raises:
            ValueError: Files were added in between, removed or changed: pairs would be made twice, or not at all.
        """
        if not self.listed:
            return
        count, digest = self.saved["source"]["count"], self.saved["source"]["sha256"]
        if len(listing) < count or _digest(listing[:count]) != digest:
            raise ValueError(
                f"output: {self.path.parent} holds pairs of an earlier state of source={self.source}: {count} file(s) "
                f"then, {len(listing)} now, of other names or sizes; choose another output or delete it"
            )
        if len(listing) > count and (self.pairs is None or count_pairs(self.path.parent) < self.pairs):
            log.info("source=%s has %d new file(s), which are added", self.source, len(listing) - count)
            self.grown, self.saved = True, {**self.saved, "complete": False}

    def begin(self, weights: dict[str, Any], precision: str, listing: Sequence[str] | None) -> None:
        """Note hashes of prior and target, precision and source before the first shard, or compare with the noted ones.

        Raises:
            ValueError: The weights or the precision are not those that the shards in the folder were made with.
        """
        if "weights" in self.saved:
            Recipe(weights).check(self.saved["weights"], f"output: {self.path.parent}")
            self._check_precision(precision)
        noted = self.saved.get("precisions", [UNKNOWN]) if "weights" in self.saved else [precision]
        made = {"recipe": self.recipe.values, "weights": weights, "precisions": noted, "commit": commit()}
        if listing is not None:
            made["source"] = {"count": len(listing), "sha256": _digest(listing)}
        self._save({**made, "complete": False})

    @property
    def precision(self) -> str:
        """What the shards were computed in; ``unknown`` where an older version noted nothing, or several."""
        noted = self.saved.get("precisions", [])
        return noted[0] if len(noted) == 1 else UNKNOWN

    def finish(self, stopped_after: int | None) -> None:
        """Note that the manifest and every shard are written, or those that ``stopped_after`` seconds allowed."""
        self._save({**self.saved, "complete": True, "stopped_after": stopped_after})

    def _check_precision(self, precision: str) -> None:
        if self.precision not in (UNKNOWN, precision):
            raise ValueError(
                f"output: {self.path.parent} holds shards computed in {self.precision}, now it is {precision}; "
                f"set precision={self.precision} to go on, or choose another output"
            )

    def _save(self, values: dict[str, Any]) -> None:
        if rank() == 0:
            write_text(self.path, json.dumps(values, indent=1) + "\n")
        self.saved = values


def _digest(listing: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(listing).encode(errors="surrogateescape")).hexdigest()
