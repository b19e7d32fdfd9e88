"""What the page of ``demo`` is given; ``tests/unit/demo`` has what a browser and a server make of it."""

import sys
from pathlib import Path

from PIL import Image

from inverter.demo.compute import Draw, read_photo
from inverter.demo.reports import frame


def test_without_gradio(tmp_path, monkeypatch, refused_by_command):
    monkeypatch.setitem(sys.modules, "gradio", None)
    refused_by_command("`demo` without Gradio", ["demo", f"runs={tmp_path}"])


def test_a_photo_of_too_many_pixels(tmp_path: Path, refused):
    Image.new("1", (8000, 6251)).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size < 20_000
    refused("a photo of more pixels than `demo` takes", lambda: read_photo(tmp_path / "large.png"))


def test_a_report_beside_the_runs(tmp_path, refused):
    for folder in ("runs/one", "other"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "report.html").write_text("<p>text</p>")
    refused("a report that `demo` does not offer", lambda: frame(tmp_path / "runs", "../other"))


def test_too_many_draws(refused):
    refused("more draws than `demo` allows", lambda: Draw(number=5).check(4))
