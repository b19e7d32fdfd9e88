"""What the page of ``demo`` is given; ``tests/unit/demo`` has what a browser and a server make of it."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from inverter.demo.compute import Draw, read_features, read_photo
from inverter.demo.reports import frame
from inverter.demo.requests import check_payload


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


def test_features_that_unpack_to_too_much(tmp_path, refused):
    np.savez_compressed(tmp_path / "x.npz", np.zeros(75_000_000, np.float32))
    assert (tmp_path / "x.npz").stat().st_size < 1_000_000
    given = SimpleNamespace(inverter=lambda name: (None, None))
    refused(
        "features that `demo` would unpack to more than it takes",
        lambda: read_features(given, "any", tmp_path / "x.npz"),  # type: ignore[arg-type]
    )


def test_a_payload_that_names_a_file(refused):
    refused("a payload of `demo` that names a file", lambda: check_payload("pq:1x1:/a.safetensors"))


def test_an_address_of_colons(refused_by_command):
    refused_by_command("an address of `demo` that is none", ["demo", "host=::1"])


def test_too_many_draws(refused):
    refused("more draws than `demo` allows", lambda: Draw(number=5).check(4))
