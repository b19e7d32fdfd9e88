"""Which steps of an audit are done, and with what: a killed audit goes on, a changed one is told apart."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inverter.audit.plan import Step
from inverter.config.errors import one_line
from inverter.data.manifest import MANIFEST, stream_sha256
from inverter.run.files import write_text
from inverter.run.parse import parse_json

LEDGER = "steps.json"
LEFT = {
    "train": ("checkpoints/best.ckpt", "summary.json"),
    "evaluate": ("evaluation/metrics.json", "evaluation/per_image.csv"),
}
"""Files without which a stage is to be done again."""

NO_MATTER = ("output", "resume", "trainer", "data", "inverter", "baseline", "device")
"""Keys of the stages' configs that do not change what comes out; the pairs are told by their manifests."""


class Ledger:
    """``steps.json`` in a layer's run: the recipe of its training and of its evaluation, and whether each is done.

    Args:
        step: The layer, its pairs written.
    Raises:
        ValueError: The run's folder holds a training of another recipe, or of none that is known.
    """

    def __init__(self, step: Step) -> None:
        self.path = step.run / LEDGER
        training = {
            **_recipe(step.train),
            "limit": step.train.data.limit,
            "batch_size": step.train.data.batch_size,
            "train": _sha256(step.pairs / "train"),
            "dev": _sha256(step.pairs / "dev"),
        }
        evaluation = {**_recipe(step.evaluate), "val": _sha256(step.pairs / "val"), "training": training}
        self.recipes = {"train": training, "evaluate": evaluation}
        self.saved = _read(self.path) if self.path.is_file() else {}
        if not self.saved and (step.run / "train.yaml").is_file():
            raise ValueError(f"output: {step.run} holds a run that no audit made; choose another output or delete it")
        if "train" in self.saved:
            self._refuse_changes(self.saved["train"]["recipe"], training)

    def done(self, stage: str) -> bool:
        """Whether ``train`` or ``evaluate`` was finished with this recipe."""
        noted = self.saved.get(stage, {})
        whole = all((self.path.parent / file).is_file() for file in LEFT[stage])
        return whole and noted.get("done") is True and not _changed(noted["recipe"], self.recipes[stage])

    def begin(self, stage: str) -> None:
        """Note a stage's recipe before it runs."""
        self._note(stage, done=False)

    def finish(self, stage: str, **found: float) -> None:
        """Note that a stage is done, and what it found."""
        self._note(stage, done=True, **found)

    def found(self, stage: str, key: str) -> float:
        """What :meth:`finish` noted."""
        return self.saved[stage][key]

    def _note(self, stage: str, **values: Any) -> None:
        self.saved = {**self.saved, stage: {"recipe": self.recipes[stage], **values}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(self.saved, indent=1) + "\n")

    def _refuse_changes(self, saved: dict[str, Any], now: dict[str, Any]) -> None:
        if changed := _changed(saved, now):
            raise ValueError(
                f"output: {self.path.parent} was trained with another recipe ({'; '.join(changed)}); "
                "choose another output or delete it"
            )


def _changed(saved: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Settings that differ, in words; one that there was not when the recipe was noted counts as null."""
    saved, now = _flat(saved), _flat(now)
    keys = sorted(saved.keys() | now.keys())
    return [f"{k}: {saved.get(k)!r} there, {now.get(k)!r} now" for k in keys if saved.get(k) != now.get(k)]


def _read(path: Path) -> dict[str, Any]:
    try:
        saved = parse_json(path.read_bytes())
        stages = saved.values() if isinstance(saved, dict) else [None]
        if not all(isinstance(noted, dict) and isinstance(noted.get("recipe"), dict) for noted in stages):
            raise ValueError("a stage has no recipe")
        return saved
    except ValueError as error:
        raise ValueError(f"output: {path} is damaged ({one_line(error)}); delete {path.parent} or repair it") from error


def _recipe(config: Any) -> dict[str, Any]:
    return {key: value for key, value in json.loads(json.dumps(asdict(config))).items() if key not in NO_MATTER}


def _sha256(folder: Path) -> str:
    with (folder / MANIFEST).open("rb") as stream:
        return stream_sha256(stream)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as dotted ones."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
