"""Budgets, prompts, forms of smoothing, and what a cut costs."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
import torch

from inverter.evaluation.intervals import Difference
from inverter.lab.experiments import prompts, smoothing
from inverter.lab.experiments.budget import budget_name, choose_queries, plan
from inverter.lab.experiments.cell import CellFile
from inverter.lab.experiments.config import BudgetConfig, SmoothingExperimentConfig
from inverter.lab.experiments.cut import describe
from inverter.lab.experiments.frame import limit
from inverter.lab.experiments.picture_set import Picture
from inverter.whitebox.config import InvertConfig


def test_a_budget_is_queries_or_seconds():
    assert budget_name(BudgetConfig(queries=256)) == "256 queries"
    assert budget_name(BudgetConfig(seconds=0.5, images=4)) == "0.5 seconds"
    for wrong in (BudgetConfig(), BudgetConfig(queries=1, seconds=1.0), BudgetConfig(queries=0)):
        with pytest.raises(ValueError, match="allowed: queries or seconds, above 0"):
            budget_name(wrong)


@dataclass
class Timed:
    """An attack that takes these seconds, one call after the other."""

    seconds: list[float]
    stopped_by: int | None = None
    config: InvertConfig = field(default_factory=lambda: InvertConfig(method="latent"))

    def invert(self, features: torch.Tensor) -> SimpleNamespace:
        queries = torch.full((len(features),), self.config.loop.max_queries)
        counts = {"target_queries": queries}
        return SimpleNamespace(seconds=self.seconds.pop(0), stopped_by=self.stopped_by, counts=counts)

    def phases(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(num_steps=10)]


def test_a_time_becomes_queries_by_a_warm_trial(tmp_path):
    cell, budget, features = CellFile(tmp_path, "cell", {}), BudgetConfig(seconds=2.0), torch.zeros(2, 3)
    attack = Timed([100.0, 1.0])  # 2 pictures, 5 queries each: 0.1 s a query
    assert choose_queries(budget, cell, attack, features) == 20  # type: ignore[arg-type]
    assert choose_queries(budget, CellFile(tmp_path, "cell", {}), attack, features) == 20  # type: ignore[arg-type]
    assert not attack.seconds
    loop = plan(attack, attack.config, 20, budget.seconds).loop  # type: ignore[arg-type]
    assert (loop.max_queries, loop.max_seconds) == (20, 2.0)
    given = replace(attack.config, loop=replace(attack.config.loop, max_seconds=7.0))
    assert plan(attack, given, 20).loop.max_seconds == 7.0  # type: ignore[arg-type]


def test_a_stopped_trial_is_not_kept(tmp_path):
    cell = CellFile(tmp_path, "cell", {})
    with pytest.raises(SystemExit) as stopped:
        choose_queries(BudgetConfig(seconds=2.0), cell, Timed([1e-9], 15), torch.zeros(2, 3))  # type: ignore[arg-type]
    assert stopped.value.code == 128 + 15
    assert not cell.notes
    assert not cell.path.exists()


def test_a_layer_may_take_more_pictures_and_a_budget_fewer():
    assert [limit(16), limit(16, 128), limit(16, 128, 8), limit(16, None, 32)] == [16, 128, 8, 16]


def picture(key: str, shows: str) -> Picture:
    return Picture(key, torch.zeros(3, 2, 2), key, f"a {shows} on sand", f"a {shows}", "sand", shows=shows)


def test_a_wrong_prompt_shows_something_else_and_stays_when_pictures_are_added():
    pictures = [picture(*pair) for pair in (("0", "dog"), ("1", "dog"), ("2", "boat"), ("3", "dog"), ("4", "cat"))]
    wrong = prompts.prompts_of(pictures, "wrong")
    assert list(wrong.values()) == ["a boat on sand"] * 2 + ["a dog on sand", "a boat on sand", "a dog on sand"]
    fewer = prompts.prompts_of(pictures[:4], "wrong")
    assert fewer == {key: wrong[key] for key in fewer}
    assert prompts.prompts_of(pictures[:1], "both") == {"0": "a dog on sand"}
    assert prompts.prompts_of(pictures[:1], "background") == {"0": "sand"}
    assert prompts.prompts_of(pictures[:1], "none") == {"0": ""}


def test_forms_of_smoothing():
    config = SmoothingExperimentConfig(weights=[0.1, 1.0])
    found = dict(smoothing.variants(config))
    assert list(found) == ["none", "start", "paper 0.1", "paper 1", "robust 0.1", "robust 1"]
    assert [(x.weight, x.robust, x.warm_start) for x in list(found.values())[:3]] == [
        (0.0, False, False),
        (0.0, False, True),
        (0.1, False, True),
    ]
    assert found["robust 1"].robust
    assert smoothing.pairs(["none", "paper 1", "robust 1"]) == [
        ("paper 1", "none"),
        ("robust 1", "none"),
        ("robust 1", "paper 1"),
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"methods": ["guided"]}, "allowed: those that smooth a clip, which guided does not"),
        ({"methods": ["guided_inverter"]}, "allowed: those that smooth a clip, which guided_inverter does not"),
        ({"forms": ["sideways"]}, "forms is"),
        ({"weights": [0.0]}, "weights is"),
        ({"clips": ["one"]}, "two or more with cut=true"),
        ({"clips": ["one/a.mp4", "two/a.mp4"]}, r"names that differ without their folders, not \['a', 'a'\]"),
        ({"clips": ["a b", "a_b.mp4"]}, r"not \['a b', 'a_b'\]"),
        ({"clips": ["a", "b", "a cut to b"]}, r"not \['a cut to b', 'a cut to b'\]"),
    ],
)
def test_what_smooths_nothing_is_refused(changed, message):
    config = SmoothingExperimentConfig(**{"clips": ["a", "b"], "methods": ["latent"], **changed})
    with pytest.raises(ValueError, match=message):
        smoothing.check(config)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Difference(0.1, 0.05, 0.2, 8, 4), "too few sources (feature loss +5.0%"),
        (Difference(0.1, 0.05, 0.2, 40, 20), "loses (feature loss +5.0%"),
        (Difference(0.1, -0.05, 0.2, 40, 20), "cannot be told (feature loss +5.0%"),
        (Difference(0.01, 0.005, 0.05, 40, 20), "cannot be told (feature loss +0.5%"),
        (Difference(0.1, None, None, 8, 1), "too few sources (feature loss +5.0%"),
        (Difference(0.01, 0.005, 0.015, 40, 20), "loses nothing (feature loss +0.5%"),
        (Difference(-0.1, -0.2, -0.05, 40, 20), "loses nothing (feature loss -5.0%"),
    ],
)
def test_a_side_loses_a_hundredth_or_less_than_that_or_nothing_is_said(found, said):
    assert describe(2.0, found).startswith(said)
