"""One attack on one batch: built, fitted to its budget, run by the white-box library, kept in its cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from torch import Tensor

from inverter.config import SmoothingConfig
from inverter.inversion.recipe import MAY_CHANGE, may_change_within, recipe
from inverter.lab.experiments.budget import budget_name, choose_queries, plan
from inverter.lab.experiments.cell import CellFile
from inverter.lab.experiments.config import BudgetConfig, ExperimentConfig
from inverter.lab.experiments.one_pass import run_one_pass
from inverter.lab.experiments.picture_set import Picture
from inverter.lab.experiments.subject import BLACKBOX, Subject, invert_config
from inverter.run.seeds import derive_seed
from inverter.whitebox.attack import Attack
from inverter.whitebox.build import make_attack
from inverter.whitebox.clip import invert_clip
from inverter.whitebox.config import InvertConfig, MethodsConfig
from inverter.whitebox.loop import Result, Show
from inverter.whitebox.methods import settings_of_clips
from inverter.whitebox.saved import SavedState
from inverter.whitebox.search_state import COUNTS


@dataclass(frozen=True)
class Attempt:
    """A method at a layer with a budget, a seed, a kind of prompt and a smoothing, where there are such.

    Args:
        subject: The layer.
        method: One of :func:`inverter.lab.experiments.subject.known_methods`.
        budget: None for black-box methods, which query nothing.
        seed: Of the attack.
        variant: What tells attempts of one layer, method and budget apart.
        smoothing: Set where the pictures are a clip.
        guidance_scale: Of the denoiser.
    """

    subject: Subject
    method: str
    budget: BudgetConfig | None
    seed: int
    variant: str = ""
    smoothing: SmoothingConfig | None = None
    guidance_scale: float = 1.0

    @property
    def name(self) -> str:
        """Of its cell."""
        cost = [] if self.budget is None else [budget_name(self.budget).replace(" ", "")]
        variant = [self.variant] if self.variant else []
        return "+".join([self.subject.name, self.method, *cost, *variant, f"seed={self.seed}"])

    def config(self, config: ExperimentConfig) -> InvertConfig:
        """What ``invert`` would be told."""
        settings = invert_config(config, self.subject.point, self.method, self.seed)
        smoothing = settings.smoothing if self.smoothing is None else self.smoothing
        return settings_of_clips(replace(settings, smoothing=smoothing, guidance_scale=self.guidance_scale))

    def recipe(self, config: ExperimentConfig) -> dict[str, Any]:
        """Everything that decides the reconstructions, plain data: of the methods' settings the method's own."""
        settings = self.config(config)
        others = {entry.name for entry in fields(MethodsConfig)} - {"loop", "smoothing", settings.method}
        values = {k: v for k, v in asdict(settings).items() if k not in (*MAY_CHANGE, *others, "batch_size")}
        within = may_change_within()
        for group in within.keys() & values.keys():
            may_change = set(within[group]) - {"max_seconds"}  # nothing goes on where the seconds ended it
            values[group] = {k: v for k, v in values[group].items() if k not in may_change}
        budget = None if self.budget is None else {k: v for k, v in asdict(self.budget).items() if k != "images"}
        return {**values, "budget": budget, **self.subject.sha256(self.method), "seed": self.seed}


def run_batch(
    config: ExperimentConfig,
    attempt: Attempt,
    cell: CellFile,
    pictures: Sequence[Picture],
    prompts: Sequence[str | None] | None = None,
    show: Show | None = None,
) -> int | None:
    """Invert pictures and keep what was found; returns the signal that stopped it, None where none did.

    Raises:
        SystemExit: A signal stopped the trial of a budget of seconds.
    """
    keys, subject = [picture.key for picture in pictures], attempt.subject
    features = subject.features([picture.image for picture in pictures], keys, attempt.seed)
    if attempt.method in BLACKBOX:
        drawn, scale = attempt.method == BLACKBOX[1], attempt.guidance_scale
        shared: dict[str, Any] = {"drawn": drawn, "seed": attempt.seed, "guidance_scale": scale}
        run_one_pass(subject, cell, pictures, features, prompts, **shared)
        return None
    chosen, budget = attempt.config(config), attempt.budget or BudgetConfig()
    attack = make_attack(chosen, subject.own, subject.prior_of(attempt.method), subject.published, subject.std)
    queries = choose_queries(budget, cell, attack, features)
    attack = replace(attack, config=plan(attack, chosen, queries, budget.seconds))
    by_layer = {subject.point.layer: features}
    planned = replace(chosen, loop=attack.config.loop)
    made_of = recipe(planned, keys, by_layer, prompts, subject.sha256(attempt.method))
    result = _invert(attempt, attack, by_layer, keys, prompts, cell, made_of, show)
    if result.stopped_by is not None:
        return result.stopped_by
    costs = {name: [int(x) for x in result.counts[name]] for name in COUNTS}
    prompt_values = {} if prompts is None else {"prompt": list(prompts)}
    seconds = [result.seconds / len(keys)] * len(keys)
    cell.add(
        pictures,
        result.images,
        {**costs, **prompt_values, "seconds": seconds, "loop_loss": result.feature_loss.tolist()},
    )
    cell.forget()
    return None


def _invert(
    attempt: Attempt,
    attack: Attack,
    features: dict[str, Tensor],
    keys: list[str],
    prompts: Sequence[str | None] | None,
    cell: CellFile,
    made_of: str,
    show: Show | None,
) -> Result:
    def saved(frames: range) -> SavedState:
        mark = f"{derive_seed(made_of, frames.start, frames.stop):016x}"
        return SavedState(cell.saved(mark), mark)

    if attempt.smoothing is not None:
        return invert_clip(attack, features, keys, attempt.smoothing, prompts=prompts, saved=saved, show=show)
    return attack.invert(features, keys, prompts=prompts, saved=saved(range(len(keys))), show=show)
