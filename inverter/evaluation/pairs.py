"""The pair shards of an evaluation: what is measured, what floors search, the distractors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inverter.data.datamodule import pair_loader
from inverter.data.manifest import MANIFEST, Manifest
from inverter.data.origins import check_disjoint
from inverter.defences.unseen import check_unseen
from inverter.evaluation.judges import Gallery, draw_gallery
from inverter.evaluation.metrics import Missing
from inverter.targets.spec import SAME_FEATURES, TargetSpec, check_same_features

NUM_DISTRACTORS = 1000
HANDICAPS = {
    "weights_sha256": "The target's weights are not those that the attacker's pairs were made with.",
    "payload": "Features travel by another payload than in the attacker's pairs: {measured}, not {known}.",
    "defence": "The device's half is not the one that the attacker's pairs were made with: {measured}, not {known}.",
    "preprocessing": "The attacker's pairs were made with another mean and deviation of colours than the target's.",
}
"""What an attacker may not have known of the target, and what is said of it."""
MIN_DISTRACTORS = 20
"""Pictures of other sources that every picture needs, or re-identification says nothing."""


@dataclass(frozen=True)
class EvaluationPairs:
    """Folders ``val`` and, where it is there, ``train``, with their manifests; both hold features of one target.

    ``unseen`` says whether no picture of ``val`` is known to be one that its device's defence was trained on;
    ``uncompared`` names what was trained or chosen on pictures that could not be compared with those of ``val``.
    """

    val: Path
    train: Path | None
    manifest: Manifest
    train_manifest: Manifest | None
    unseen: bool = True
    uncompared: tuple[str, ...] = ()

    @classmethod
    def find(
        cls,
        data: Path,
        what: str,
        target: TargetSpec,
        trained: Sequence[Path] = (),
        accept: Sequence[str] = (),
        defence: str | None = None,
    ) -> EvaluationPairs:
        """Open the pairs in ``data`` for ``what``, which takes features of ``target``.

        Args:
            data: Folder of the splits.
            what: For messages.
            target: Network and layer.
            trained: Other folders with the manifest and origins of what it was trained on.
            accept: Which of :data:`HANDICAPS` that are compared the pairs' target may have otherwise.
            defence: Folder of the trained defence that their device has; None: it has none, or it is not at hand.
        Raises:
            ValueError: ``accept`` holds another name, there is no ``val``, its shards are not its manifest's, a folder
                holds features of another target, layer or payload, or ``val`` shares a shard, picture, photo or clip
                with what was trained or chosen on, the defence among them.
        """
        val, train = data / "val", data / "train" if (data / "train" / "manifest.json").is_file() else None
        manifest, train_manifest = Manifest.load(val), Manifest.load(train) if train is not None else None
        compared = [key for key in HANDICAPS if key in SAME_FEATURES]
        if unknown := [key for key in accept if key not in compared]:
            raise ValueError(f"accept={unknown!r}; allowed: {', '.join(compared)}")
        keys = [key for key in SAME_FEATURES if key not in accept]
        for each in (manifest, train_manifest):
            if each is not None:
                check_same_features(what, target, each.target, keys)
        others = [
            folder
            for folder in trained
            if train_manifest is None or not Manifest.load(folder).same_pairs(train_manifest)
        ]
        beside = [folder for folder in (data / "train", data / "dev") if (folder / MANIFEST).is_file()]
        unknown = [folder.name for folder in beside + others if not check_disjoint(folder, val)]
        unseen = manifest.target.defence is None if defence is None else check_unseen(defence, val)
        manifest.verify(val)
        return cls(val, train, manifest, train_manifest, unseen, tuple(dict.fromkeys(unknown)))

    def notes(self, num_train: int, attacked: TargetSpec) -> list[str]:
        """What a reader has to know of the pictures.

        Args:
            num_train: Training pairs that floors search.
            attacked: Target that the attack was trained on.
        """
        notes = [f"Evaluated on pictures from {self.manifest.source}."]
        adapted = attacked.payload == self.manifest.target.payload
        if (payload := self.manifest.target.payload) != "identity" and adapted:
            notes.append(f"Features travel as {payload}: the attack is trained and measured on what arrives.")
        for key, handicap in HANDICAPS.items():
            known, measured = getattr(attacked, key), getattr(self.manifest.target, key)
            if known != measured:
                notes.append(handicap.format(known=known or "undefended", measured=measured or "undefended"))
        if self.uncompared:
            notes.append(f"Not compared with the pictures of {', '.join(self.uncompared)}.")
        if not self.unseen:
            notes.append("Whether the defence was trained on pictures of these is not known.")
        if self.manifest.precision == "bf16":
            notes.append("The pairs' features were computed in bf16, what measures them in float32.")
        if self.train_manifest is not None:
            searched, source = min(num_train, self.train_manifest.num_pairs), self.train_manifest.source
            fewer = f", not {num_train:,}: more may raise the floors" if searched < num_train else ""
            notes.append(f"Floors and searches see {searched:,} training pairs from {source}{fewer}.")
        else:
            notes.append("No train/ pairs: the floors 'nearest training image' and 'mean image' are absent.")
        return notes


def draw_distractors(val: Path, batch_size: int, seed: int = 0) -> Gallery | Missing:
    """Up to 1,000 pictures of a folder of evaluation pairs: pictures of another kind would be told apart by their kind.

    Args:
        val: Folder of the pairs.
        batch_size: Pairs read at once.
        seed: Same seed and pairs: same distractors.
    Returns:
        The gallery, or that some picture finds fewer than 20 of other sources in it.
    """
    gallery = draw_gallery(pair_loader(val, batch_size), NUM_DISTRACTORS, seed)
    if gallery.fewest < MIN_DISTRACTORS:
        reason = f"{gallery.fewest} val pictures of other sources for some picture; needed: {MIN_DISTRACTORS}"
        return Missing("reid", reason)
    return gallery


def distractor_note(gallery: Gallery) -> str:
    """What re-identification was told apart from."""
    fewest, most = gallery.fewest, len(gallery.groups) - min(Counter(gallery.groups).values())
    count = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return f"Distractors for re-identification are val pictures of other sources, {count} for each picture."
