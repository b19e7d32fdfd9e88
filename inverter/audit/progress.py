"""Which steps of an attack are done, and with what: a killed audit goes on, a changed one is told apart."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from inverter.audit.plan import Step
from inverter.blackbox.ancestors import ancestors, run_ancestors
from inverter.blackbox.published import is_run, read_published
from inverter.config import unread_keys
from inverter.data.manifest import MANIFEST, file_sha256
from inverter.run.recipe import Recipe
from inverter.run.steps import RunSteps

LEFT = {
    "train": ("checkpoints/best.ckpt", "summary.json"),
    "evaluate": ("evaluation/metrics.json", "evaluation/per_image.csv"),
    "utility": ("utility.csv",),
}
"""Files without which a stage is to be done again."""

IGNORED = ("output", "resume", "trainer.", "data", "data.", "inverter", "baseline", "device")
"""Keys of the stages' configs that change no result; the pairs are told by their manifests."""


class LayerProgress(RunSteps):
    """``steps.json`` in an attack's run: the recipe of its training and of what is measured, and whether each is done.

    Args:
        step: The attack, its pairs written.
        labels: Whether its utility is measured by labels, too.
    Raises:
        ValueError: The run's folder holds a training of another recipe, or of none that is known.
    """

    def __init__(self, step: Step, labels: bool = False) -> None:
        values = {
            **asdict(step.train),
            "start_from": _weights_of(step.train.start_from),
            "limit": step.train.data.limit,
            "batch_size": step.train.data.batch_size,
            "train": file_sha256(step.pairs / "train" / MANIFEST),
            "dev": file_sha256(step.pairs / "dev" / MANIFEST),
        }
        unread = unread_keys(step.train)
        training = Recipe(values, [*IGNORED, *unread], type(step.train)())
        values = {
            **asdict(step.evaluate),
            "static": _weights_of(step.evaluate.static),
            "val": file_sha256(step.pairs / "val" / MANIFEST),
            "training": training.values,
        }
        ignored = [*IGNORED, *(f"training.{key}" for key in unread)]
        evaluation = Recipe(values, ignored, type(step.evaluate)())
        utility = Recipe({"val": values["val"], "labels": labels})
        super().__init__(step.run, {"train": training, "evaluate": evaluation, "utility": utility}, LEFT)
        if not self.saved and (step.run / "train.yaml").is_file():
            raise ValueError(f"output: {step.run} holds a run that no audit made; choose another output or delete it")
        if "train" in self.saved:
            self.recipes["train"].check(self.saved["train"]["recipe"], f"output: {self.path.parent}")


def _weights_of(inverter: str | None) -> str | None:
    """SHA-256 of the weights of a run or a published inverter, wherever it lies."""
    if inverter is None:
        return None
    known = run_ancestors(Path(inverter)) if is_run(inverter) else ancestors(read_published(inverter))
    return known[0]["weights_sha256"]
