"""Cells go on from what is there, and never mix."""

import json

import pytest
import torch

from inverter.lab.experiments.cell import CellFile
from inverter.lab.experiments.picture_set import Picture
from inverter.run.record import commit

RECIPE = {"method": "direct", "seed": 0, "direct": {"lr": 0.1}}


@pytest.fixture
def pictures() -> list[Picture]:
    images = torch.arange(3 * 3 * 4 * 4).reshape(3, 3, 4, 4).to(torch.uint8)
    return [Picture(f"picture/{i}", image, f"photo {i}") for i, image in enumerate(images)]


def fill(cell: CellFile, pictures: list[Picture]) -> None:
    recon = torch.stack([picture.image for picture in pictures]).float() / 255
    cell.add(pictures, recon, {"seconds": [1.0, 3.0][: len(pictures)]})


def test_a_cell_goes_on_where_it_was(tmp_path, pictures):
    cell = CellFile(tmp_path, "blocks.2@224+direct", RECIPE)
    assert cell.missing(pictures) == pictures
    fill(cell, pictures[:2])
    again = CellFile(tmp_path, "blocks.2@224+direct", RECIPE)
    assert again.missing(pictures) == pictures[2:]
    assert again.mean("seconds", ["picture/0", "picture/1"]) == 2.0
    assert torch.equal((again.images(["picture/1"])[0] * 255).byte(), pictures[1].image)
    saved = json.loads(cell.path.read_text())
    assert saved["recipe"] == RECIPE
    assert {row["commit"] for row in saved["rows"].values()} == {commit()}
    assert [path.name for path in cell.path.parent.iterdir()] == ["blocks.2@224+direct.json"]


def test_a_lost_reconstruction_is_made_again(tmp_path, pictures):
    cell = CellFile(tmp_path, "cell", RECIPE)
    fill(cell, pictures[:2])
    next(tmp_path.rglob("*1.png")).unlink()
    assert cell.missing(pictures) == pictures[1:]
    assert [cell.holds(picture.key) for picture in pictures] == [True, False, False]
    fill(cell, pictures[1:2])
    assert cell.missing(pictures) == pictures[2:]


def test_another_prompt_is_made_again(tmp_path, pictures):
    cell, recon = CellFile(tmp_path, "cell", RECIPE), torch.zeros(2, 3, 4, 4)
    cell.add(pictures[:2], recon, {"prompt": ["a dog", None]})
    assert cell.missing(pictures[:2], {"picture/0": "a dog"}) == []
    assert cell.missing(pictures[:2], {"picture/0": "a cat", "picture/1": ""}) == pictures[:2]
    assert cell.missing(pictures[:2]) == []


def test_a_cell_forgets_its_own_states_only(tmp_path):
    one, ten = (CellFile(tmp_path, f"cell+seed={seed}", RECIPE) for seed in (1, 10))
    one.state.parent.mkdir()
    for cell in (one, ten):
        cell.saved("0f").write_text("")
        cell.saved("1f").write_text("")
    one.forget()
    assert sorted(tmp_path.glob("state/*")) == [ten.saved("0f"), ten.saved("1f")]


def test_another_recipe_or_picture_is_refused(tmp_path, pictures):
    cell = CellFile(tmp_path, "cell", RECIPE)
    fill(cell, pictures[:1])
    with pytest.raises(ValueError, match=r"was made with direct.lr=0.1, now 0.2; choose another output"):
        CellFile(tmp_path, "cell", {**RECIPE, "direct": {"lr": 0.2}})
    other = [Picture("picture/0", pictures[1].image, "photo 1")]
    with pytest.raises(ValueError, match="'picture/0' was another picture"):
        CellFile(tmp_path, "cell", RECIPE).missing(other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cell .*cell.json is damaged"),
        ("[]", "cell .*cell.json is damaged"),
        ('{"schema_version": 1}', "cell .*cell.json is damaged"),
        ('{"schema_version": 9, "kind": "new"}', "cell .*cell.json has schema_version 9; allowed: 1"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(tmp_path, text, message):
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "cell.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        CellFile(tmp_path, "cell", RECIPE)
