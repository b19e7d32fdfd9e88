import json
import logging
from pathlib import Path

import pytest
import torch
from PIL import Image

from inverter.data.inputs import Input
from inverter.inversion.recon import ReconFolder, check_apart, preview


def write(folder, *keys: str, **summary: object) -> None:
    recon = ReconFolder(folder)
    recon.add([Input(key) for key in keys], torch.full((len(keys), 3, 8, 8), 0.5))
    recon.summarise(summary)
    recon.finish()


def names(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


def test_what_an_earlier_run_listed_is_removed_and_nothing_else(tmp_path):
    write(tmp_path, "a", "b", film="a.mp4")
    (tmp_path / "a.mp4").touch()
    mine = [tmp_path / "recon" / "mine.png", tmp_path / "mine.mp4"]
    for path in mine:
        path.touch()
    write(tmp_path, "b", "c")
    ours = ["preview.png", "recon/b.png", "recon/c.png", "summary.json"]
    assert names(tmp_path) == sorted([*ours, "recon/mine.png", "mine.mp4"])
    assert json.loads((tmp_path / "summary.json").read_text()) == {"keys": ["b", "c"]}
    write(tmp_path, "b", "c")
    assert names(tmp_path) == sorted([*ours, "recon/mine.png", "mine.mp4"])


@pytest.mark.parametrize(
    "text",
    [
        '{"keys": ["../../mine"], "film": "../mine.mp4"}',
        '{"keys": ["../mine"], "film": "mine.txt"}',
        '{"keys": [1]}',
        '{"keys": null}',
        '{"steps": 12}',
        "[]",
        "{",
    ],
)
def test_a_summary_of_something_else_removes_nothing(tmp_path, text):
    folder = tmp_path / "out"
    folder.mkdir()
    for path in (tmp_path / "mine.png", folder / "mine.png", tmp_path / "mine.mp4", folder / "mine.txt"):
        path.touch()
    (folder / "summary.json").write_text(text)
    before = names(tmp_path)
    write(folder, "a")
    assert names(tmp_path) == sorted([*before, "out/preview.png", "out/recon/a.png"])


def test_until_the_first_picture_everything_stays(tmp_path):
    write(tmp_path, "a")
    before = names(tmp_path)
    ReconFolder(tmp_path)
    assert names(tmp_path) == before


def test_one_reconstruction_is_not_several(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    write(tmp_path, "a")
    write(tmp_path, "a", "b")
    assert [line.split(" in ")[0] for line in caplog.messages] == ["1 reconstruction", "2 reconstructions"]
    write(tmp_path, "c")
    assert "summary.json listed other inputs: their pictures are removed" in caplog.text


def test_originals_are_shown_above(tmp_path):
    white, black = (torch.full((3, 4, 4), value, dtype=torch.uint8) for value in (255, 0))
    shown = preview([(white, black)])
    assert shown[:, 3, 3].tolist() == [255] * 3
    assert shown[:, 9, 3].tolist() == [0] * 3
    write(tmp_path, "a", "b")
    assert Image.open(tmp_path / "preview.png").size == (2 * 10 + 2, 10 + 2)  # features alone: no originals


@pytest.mark.parametrize(
    ("source", "folder"),
    [("holiday.mp4", "."), ("preview.png", "."), ("run/recon", "run"), ("run/recon/a.png", "run"), ("x/../b.mp4", ".")],
)
def test_an_input_is_never_overwritten(tmp_path, monkeypatch, source, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    with pytest.raises(ValueError, match=r"would overwrite the input .*; name another output"):
        check_apart(Path(source), Path(folder))
    check_apart(Path("photo.png"), Path(folder))
    check_apart(Path(source), Path("elsewhere"))


def test_an_output_inside_of_the_input_would_be_an_input_next_time(tmp_path):
    (tmp_path / "photos").mkdir()
    for inside in ("photos", "photos/out"):
        with pytest.raises(ValueError, match="lies in the input"):
            check_apart(tmp_path / "photos", tmp_path / inside)
    check_apart(tmp_path / "photos", tmp_path / "out")
