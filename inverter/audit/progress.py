"""Which steps of an attack are done, and with what: a killed audit goes on, a changed one is told apart."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inverter.audit.plan import Step
from inverter.blackbox.ancestors import ancestors, run_ancestors
from inverter.blackbox.published import is_run, read_published
from inverter.config import unread_keys
from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.data.manifest import MANIFEST, stream_sha256
from inverter.run.files import write_text
from inverter.run.recipe import Recipe

STEPS = "steps.json"
LEFT = {
    "train": ("checkpoints/best.ckpt", "summary.json"),
    "evaluate": ("evaluation/metrics.json", "evaluation/per_image.csv"),
    "utility": ("utility.csv",),
}
"""Files without which a stage is to be done again."""

IGNORED = ("output", "resume", "trainer.", "data", "data.", "inverter", "baseline", "device")
"""Keys of the stages' configs that change no result; the pairs are told by their manifests."""


class LayerProgress:
    """``steps.json`` in an attack's run: the recipe of its training and of what is measured, and whether each is done.

    Args:
        step: The attack, its pairs written.
        labels: Whether its utility is measured by labels, too.
    Raises:
        ValueError: The run's folder holds a training of another recipe, or of none that is known.
    """

    def __init__(self, step: Step, labels: bool = False) -> None:
        self.path = step.run / STEPS
        values = {
            **asdict(step.train),
            "start_from": _weights_of(step.train.start_from),
            "limit": step.train.data.limit,
            "batch_size": step.train.data.batch_size,
            "train": _sha256(step.pairs / "train"),
            "dev": _sha256(step.pairs / "dev"),
        }
        unread = unread_keys(step.train)
        training = Recipe(values, [*IGNORED, *unread], type(step.train)())
        values = {
            **asdict(step.evaluate),
            "static": _weights_of(step.evaluate.static),
            "val": _sha256(step.pairs / "val"),
            "training": training.values,
        }
        ignored = [*IGNORED, *(f"training.{key}" for key in unread)]
        self.recipes = {"train": training, "evaluate": Recipe(values, ignored, type(step.evaluate)())}
        self.recipes["utility"] = Recipe({"val": values["val"], "labels": labels})
        self.saved = _read(self.path) if self.path.is_file() else {}
        if not self.saved and (step.run / "train.yaml").is_file():
            raise ValueError(f"output: {step.run} holds a run that no audit made; choose another output or delete it")
        if "train" in self.saved:
            self.recipes["train"].check(self.saved["train"]["recipe"], f"output: {self.path.parent}")

    def done(self, stage: str) -> bool:
        """Whether ``train``, ``evaluate`` or ``utility`` was finished with this recipe."""
        noted = self.saved.get(stage, {})
        whole = all((self.path.parent / file).is_file() for file in LEFT[stage])
        return whole and noted.get("done") is True and not self.recipes[stage].changes(noted["recipe"])

    def begin(self, stage: str) -> None:
        """Note a stage's recipe before it runs."""
        self._note(stage, done=False)

    def finish(self, stage: str, **figures: float) -> None:
        """Note that a stage is done, and figures that it gave."""
        self._note(stage, done=True, **figures)

    def noted(self, stage: str, key: str) -> float:
        """What :meth:`finish` noted."""
        return self.saved[stage][key]

    def _note(self, stage: str, **values: Any) -> None:
        self.saved = {**self.saved, stage: {"recipe": self.recipes[stage].values, **values}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(self.saved, indent=1) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        saved = parse_json(path.read_bytes())
        stages = saved.values() if isinstance(saved, dict) else [None]
        if not all(isinstance(noted, dict) and isinstance(noted.get("recipe"), dict) for noted in stages):
            raise ValueError("a stage has no recipe")
        return saved
    except ValueError as error:
        raise ValueError(f"output: {path} is damaged ({one_line(error)}); delete {path.parent} or repair it") from error


def _weights_of(inverter: str | None) -> str | None:
    """SHA-256 of the weights of a run or a published inverter, wherever it lies."""
    if inverter is None:
        return None
    found = run_ancestors(Path(inverter)) if is_run(inverter) else ancestors(read_published(inverter))
    return found[0]["weights_sha256"]


def _sha256(folder: Path) -> str:
    with (folder / MANIFEST).open("rb") as stream:
        return stream_sha256(stream)
