"""Which steps of an audit are done, and with what: a killed audit goes on, a changed one is told apart."""

from __future__ import annotations

from dataclasses import asdict

from inverter.audit.plan import Step
from inverter.config import unread_keys
from inverter.data.manifest import MANIFEST, file_sha256
from inverter.run.recipe import Recipe
from inverter.run.steps import RunSteps

LEFT = {
    "train": ("checkpoints/best.ckpt", "summary.json"),
    "evaluate": ("evaluation/metrics.json", "evaluation/per_image.csv"),
}
"""Files without which a stage is to be done again."""

IGNORED = ("output", "resume", "trainer.", "data", "data.", "inverter", "baseline", "device")
"""Keys of the stages' configs that change no result; the pairs are told by their manifests."""


class LayerProgress(RunSteps):
    """``steps.json`` in a layer's run: the recipe of its training and of its evaluation, and whether each is done.

    Args:
        step: The layer, its pairs written.
    Raises:
        ValueError: The run's folder holds a training of another recipe, or of none that is known.
    """

    def __init__(self, step: Step) -> None:
        values = {
            **asdict(step.train),
            "limit": step.train.data.limit,
            "batch_size": step.train.data.batch_size,
            "train": file_sha256(step.pairs / "train" / MANIFEST),
            "dev": file_sha256(step.pairs / "dev" / MANIFEST),
        }
        unread = unread_keys(step.train)
        training = Recipe(values, [*IGNORED, *unread], type(step.train)())
        values = {
            **asdict(step.evaluate),
            "val": file_sha256(step.pairs / "val" / MANIFEST),
            "training": training.values,
        }
        ignored = [*IGNORED, *(f"training.{key}" for key in unread)]
        evaluation = Recipe(values, ignored, type(step.evaluate)())
        super().__init__(step.run, {"train": training, "evaluate": evaluation}, LEFT)
        if not self.saved and (step.run / "train.yaml").is_file():
            raise ValueError(f"output: {step.run} holds a run that no audit made; choose another output or delete it")
        if "train" in self.saved:
            self.recipes["train"].check(self.saved["train"]["recipe"], f"output: {self.path.parent}")
