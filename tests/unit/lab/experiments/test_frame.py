"""What experiments share: layers, and cells that several tables read."""

from types import SimpleNamespace

import pytest

from inverter.lab.experiments.cell import CellFile
from inverter.lab.experiments.config import BudgetConfig, ExperimentConfig, PointConfig
from inverter.lab.experiments.frame import check_points, longest, run_all

BUDGETS = [BudgetConfig(queries=1)]


def test_a_layer_is_there_once_an_inverter():
    check_points([PointConfig(), PointConfig(inverter="one"), PointConfig(inverter="folder/two")], BUDGETS)
    with pytest.raises(ValueError, match=r"layers has blocks.2@224 by one twice; allowed"):
        check_points([PointConfig(inverter="one"), PointConfig(inverter="folder/one", images=3)], BUDGETS)


def test_attempts_share_a_cell_of_one_recipe_only(tmp_path):
    def job(recipe: dict, *pictures: str) -> SimpleNamespace:
        return SimpleNamespace(cell=CellFile(tmp_path, "cell", recipe), pictures=pictures)

    one, more = job({"lr": 1}, "0"), job({"lr": 1}, "0", "1")
    assert longest([one, more]) == [more]  # type: ignore[list-item]
    assert one.cell.rows is more.cell.rows
    with pytest.raises(ValueError, match="two attempts would share the cell cell: lr=1, now 2"):
        longest([one, job({"lr": 2}, "0")])  # type: ignore[list-item]


def test_states_of_other_runs_stay(tmp_path):
    cells = [CellFile(tmp_path, name, {}) for name in ("this", "other")]
    job = SimpleNamespace(cell=cells[0], pictures=(), batches=lambda size: iter([]))
    cells[0].state.parent.mkdir()
    for cell in cells:
        cell.saved("0f").write_text("")
    assert run_all(ExperimentConfig(), [job], tmp_path, "methods")  # type: ignore[list-item]
    assert list(tmp_path.glob("state/*")) == [cells[1].saved("0f")]
    cells[1].forget()
    assert run_all(ExperimentConfig(), [job], tmp_path, "methods")  # type: ignore[list-item]
    assert not (tmp_path / "state").exists()
