"""`inverter experiment` at toy size."""

import json
import shutil
from pathlib import Path

import pytest

from inverter.__main__ import main
from inverter.data.sources.photos import PHOTOS, find_photo
from inverter.lab.experiments import run

LAYERS = "layers=[{layer: blocks.1, input_size: 64}]"
SMALL = ["judges=[efficientnet-lite1]", "num_bootstrap=50", "batch_size=2", "device=cpu"]


def words(kind: str, prior: Path, folder: Path, *more: str) -> list[str]:
    places = [f"prior={prior}", f"output={folder / 'run'}", f"results={folder / 'results' / kind}"]
    pictures = [] if kind == "smoothing" else ["images=4", "num_distractors=4"]
    return ["experiment", kind, f"experiment_{kind}.yaml", LAYERS, *SMALL, *places, *pictures, *more]


def page(folder: Path, kind: str) -> str:
    return (folder / "results" / kind / "README.md").read_text()


def test_methods_go_on_where_they_stopped(tiny_prior_folder, tmp_path, monkeypatch):
    budgets = "budgets=[{queries: 2}, {seconds: 0.05, images: 2}]"
    command = words("methods", tiny_prior_folder, tmp_path, "methods=[direct,hybrid_unpolished]", budgets)
    assert main([*command, "max_time=0"]) == 0
    assert "Nothing was inverted yet" in page(tmp_path, "methods")
    assert main(command) == 0
    text = page(tmp_path, "methods")
    assert "**hybrid_unpolished** against direct" in text
    assert "**blocks.1@64, 0.05 seconds**" in text
    assert "Unfinished" not in text
    cells = sorted((tmp_path / "run" / "cells").iterdir())
    assert [len(json.loads(cell.read_text())["rows"]) for cell in cells] == [2, 4, 2, 4]
    assert not (tmp_path / "run" / "state").exists()
    report = (tmp_path / "run" / "report.html").read_text()
    assert "blocks.1@64, 0.05 seconds" in report and "data:image/png" in report
    monkeypatch.setattr(run, "run_batch", lambda *_: pytest.fail("a cell was filled twice"))
    assert main(command) == 0
    assert "42.6" in (tmp_path / "results" / "README.md").read_text()
    (tmp_path / "results" / "README.md").unlink()
    assert main(["experiment", "summary", f"results={tmp_path / 'results'}"]) == 0
    assert "[methods](methods/README.md)" in (tmp_path / "results" / "README.md").read_text()
    assert main([*command, f"results={tmp_path / 'page'}"]) == 0
    assert not (tmp_path / "README.md").exists()


def test_a_readme_above_that_is_another_page_stays(tiny_prior_folder, tmp_path, capsys):
    (tmp_path / "README.md").write_text("# project\n")
    command = words("methods", tiny_prior_folder, tmp_path, f"results={tmp_path / 'methods'}", "max_time=0")
    assert main(command) == 2
    assert f"{tmp_path / 'README.md'} begins with '# project'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_prompts(tiny_prior_folder, tmp_path):
    kinds = ["kinds=[none,both,wrong]", "methods=[latent]", "budget={queries: 1}", "seeds=[0,1]"]
    assert main(words("prompts", tiny_prior_folder, tmp_path, *kinds)) == 0
    assert "**both** against wrong" in page(tmp_path, "prompts")
    assert "Pictures a layer: 4 x 2 seeds;" in page(tmp_path, "prompts")
    assert "Not computed: is (it would count each picture 2 times, once a seed" in page(tmp_path, "prompts")
    cell = next((tmp_path / "run" / "cells").glob("*prompt=wrong+seed=1.json"))
    assert all(row["prompt"] for row in json.loads(cell.read_text())["rows"].values())
    group = json.loads((tmp_path / "results" / "prompts" / "results.json").read_text())["groups"][0]
    assert (group["results"]["num_images"], group["results"]["num_sources"]) == (8, 4)


def test_smoothing(tiny_prior_folder, tmp_path):
    clips = ["clips=[carphone,bikes]", "frames=3", "block=1", "weights=[0.1]", "methods=[direct]", "judges=[]"]
    shutil.copy(find_photo(next(photo for photo in PHOTOS if photo.group == "bikes")), tmp_path / "a, cut to b.mp4")
    clips[0] = f"clips=[carphone,'{tmp_path}/a, cut to b.mp4']"
    assert main(words("smoothing", tiny_prior_folder, tmp_path, *clips, "budget={queries: 2}")) == 0
    text = page(tmp_path, "smoothing")
    assert "**robust 0.1** against none, over all tables" in text
    assert (
        "At the cut, against each shot alone: blocks.1@64, carphone cut to a, cut to b, direct, robust 0.1: carphone"
        in text
    )
    assert "warping error" in text


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("methods", ["budgets=[]"], "budgets is []; allowed: one or more"),
        ("methods", ["methods=[sideways]"], "methods is ['sideways']; allowed: one or more of blackbox_mean"),
        ("methods", ["images=9999"], "images is 9999, but the packages hold"),
        ("prompts", ["methods=[direct]"], "allowed: those that read a prompt, which direct does not"),
        ("smoothing", ["clips=[no.mp4,bikes]"], "clips: 'no.mp4' is no file"),
        ("smoothing", ["seeds=[1,1]"], "seeds is [1, 1]; allowed: one or more, each once"),
    ],
)
def test_bad_values_are_one_line(tiny_prior_folder, tmp_path, capsys, kind, more, message):
    assert main(words(kind, tiny_prior_folder, tmp_path, *more)) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
