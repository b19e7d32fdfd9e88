from dataclasses import dataclass, field

import pytest

from inverter.run.recipe import Recipe


@dataclass
class Optim:
    lr: float = 0.1
    steps: int = 3


@dataclass
class Config:
    output: str = "here"
    optim: Optim = field(default_factory=Optim)


def test_changes_are_dotted_and_what_is_absent_counts_as_null():
    recipe = Recipe({"a": {"b": 1, "c": 3}, "d": 4, "e": None})
    assert recipe.changes({"a": {"b": 1, "c": 2}}) == ["a.c=2, now 3", "d=None, now 4"]
    assert recipe.changes(recipe.values) == []


def test_what_changes_no_result_is_left_out_by_name_or_group():
    assert Recipe(Config(), ["output", "optim."]).values == {}
    recipe = Recipe(Config(), ["output", "optim.steps"])
    assert recipe.values == {"optim.lr": 0.1}
    assert recipe.changes(Config("there", Optim(steps=9))) == []
    assert Recipe({"optim_more": 1}, ["optim"]).values == {"optim_more": 1}


def test_tuples_are_what_json_makes_of_them():
    assert Recipe({"sizes": (1, 2)}).changes({"sizes": [1, 2]}) == []


def test_another_recipe_is_refused():
    Recipe(Config()).check(Config(), "run")
    with pytest.raises(
        ValueError, match=r"^run was made with optim.lr=0.2, now 0.1; choose another output or delete it$"
    ):
        Recipe(Config()).check(Config(optim=Optim(lr=0.2)), "run")
