"""The pair shards of an evaluation: what is measured, what floors search, where distractors come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inverter.data.manifest import Manifest, check_disjoint
from inverter.targets.spec import TargetSpec, check_same_features

NUM_DISTRACTORS = 1000


@dataclass(frozen=True)
class EvaluationPairs:
    """Folders ``val`` and, where it is there, ``train``, with their manifests; both hold features of one target."""

    val: Path
    train: Path | None
    manifest: Manifest
    train_manifest: Manifest | None

    @classmethod
    def find(cls, data: Path, what: str, target: TargetSpec) -> EvaluationPairs:
        """Open the pairs in ``data`` for ``what``, which takes features of ``target``.

        Raises:
            ValueError: There is no ``val``, its shards are not its manifest's, a folder holds features of another
                target, layer or payload, or both hold the same shards.
        """
        val, train = data / "val", data / "train" if (data / "train" / "manifest.json").is_file() else None
        manifest, train_manifest = Manifest.load(val), Manifest.load(train) if train is not None else None
        for found in (manifest, train_manifest):
            if found is not None:
                check_same_features(what, target, found.target)
        if train_manifest is not None:
            check_disjoint(f"{train} and {val}", train_manifest, manifest)
        manifest.verify(val)
        return cls(val, train, manifest, train_manifest)

    @property
    def distractors(self) -> Path:
        """``val`` where it has enough sources of its own, else ``train``."""
        return self.train if self.train is not None and self.manifest.num_sources < NUM_DISTRACTORS else self.val

    def notes(self, num_train: int) -> list[str]:
        """What a reader has to know of the pictures, when floors search the first ``num_train`` training pairs."""
        notes = [f"Evaluated on pictures from {self.manifest.source}."]
        if (payload := self.manifest.target.payload) != "identity":
            notes.append(f"Features travel as {payload}: the attack is trained and measured on what arrives.")
        if self.train_manifest is not None:
            searched, source = min(num_train, self.train_manifest.num_pairs), self.train_manifest.source
            fewer = f", not {num_train:,}: more may raise the floors" if searched < num_train else ""
            notes.append(f"Floors and searches see {searched:,} training pairs from {source}{fewer}.")
        else:
            notes.append("No train/ pairs: the floors 'nearest training image' and 'mean image' are absent.")
        return [*notes, f"Distractors for re-identification come from the {self.distractors.name} pairs."]
