from pathlib import Path

import pytest

from inverter.run.recipe import Recipe
from inverter.run.steps import RunSteps


def steps(folder: Path, lr: float = 0.1) -> RunSteps:
    return RunSteps(folder, {"train": Recipe({"lr": lr}), "draw": Recipe({"n": 1})}, {"train": ("best",), "draw": ()})


def test_a_step_is_done_when_it_was_finished_with_this_recipe_and_its_files_are_there(tmp_path):
    assert not steps(tmp_path).done("train")
    steps(tmp_path).begin("train")
    (tmp_path / "best").touch()
    assert not steps(tmp_path).done("train")
    steps(tmp_path).finish("train", seconds=3)
    steps(tmp_path).finish("draw")
    assert steps(tmp_path).done("train") and steps(tmp_path).done("draw")
    assert steps(tmp_path).noted("train", "seconds") == 3 and steps(tmp_path).noted("draw", "seconds") is None
    assert not steps(tmp_path, lr=0.2).done("train")
    (tmp_path / "best").unlink()
    assert not steps(tmp_path).done("train") and steps(tmp_path).done("draw")


@pytest.mark.parametrize("text", ["{", "[1]", '{"train": 1}', '{"train": {"done": true}}', "null"])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "steps.json").write_text(text)
    with pytest.raises(ValueError, match=r"steps\.json is damaged \("):
        steps(tmp_path)
