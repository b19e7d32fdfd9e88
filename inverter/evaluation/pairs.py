"""The pair shards of an evaluation: what is measured, what floors search, where distractors come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inverter.data.manifest import MANIFEST, Manifest
from inverter.data.origins import check_disjoint
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
    def find(cls, data: Path, what: str, target: TargetSpec, trained: Sequence[Path] = ()) -> EvaluationPairs:
        """Open the pairs in ``data`` for ``what``, which takes features of ``target``.

        Args:
            data: Folder of the splits.
            what: For messages.
            target: Network and layer.
            trained: Other folders with the manifest and origins of what it was trained on.
        Raises:
            ValueError: There is no ``val``, its shards are not its manifest's, a folder holds features of another
                target, layer or payload, or ``val`` shares a shard, picture, photo or clip with what was trained
                or chosen on.
        """
        val, train = data / "val", data / "train" if (data / "train" / "manifest.json").is_file() else None
        manifest, train_manifest = Manifest.load(val), Manifest.load(train) if train is not None else None
        for found in (manifest, train_manifest):
            if found is not None:
                check_same_features(what, target, found.target)
        others = [folder for folder in trained if Manifest.load(folder) != train_manifest]
        for folder in [folder for folder in (data / "train", data / "dev") if (folder / MANIFEST).is_file()] + others:
            check_disjoint(folder, val)
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
