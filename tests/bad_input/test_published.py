"""Published inverters from somebody else or damaged."""

from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load, save_file

from inverter.blackbox.ancestors import ancestors
from inverter.blackbox.build import build_module
from inverter.blackbox.load import load_inverter
from inverter.blackbox.published import read_published
from inverter.blackbox.start import start
from inverter.data.manifest import Manifest


def edit(folder: Path, **changes: object) -> None:
    """Change keys of config.yaml; ``a__b`` is b inside of a."""
    values = yaml.safe_load((folder / "config.yaml").read_text())
    for key, value in changes.items():
        *outer, last = key.split("__")
        inner = values
        for name in outer:
            inner = inner[name]
        inner[last] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(values))


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("a published config of another version", {"schema_version": 3}),
        ("a published config with a surplus key", {"surplus": 1}),
        ("a published config with an import string", {"_target_": "pathlib.Path.touch"}),
        ("a published config with a surplus key of the inverter", {"inverter___target_": "pathlib.Path.touch"}),
        ("a published config with a surplus key of the target", {"target___target_": "pathlib.Path.touch"}),
        ("a published config with a size of another type", {"inverter__width": "16"}),
        ("a published config with a huge depth", {"inverter__depth": 10**9}),
        ("a published config with a number that is none", {"inverter__strength": float("nan")}),
        ("a published config with statistics of another length", {"inverter__feature_mean": [0.0]}),
        ("a published config with a training record of another type", {"training": [["a", 1]]}),
    ],
)  # fmt: skip
def test_config(published, refused, what, changes):
    edit(published, **changes)
    refused(what, lambda: read_published(str(published)))


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a published config that is no YAML", "a: [1"),
        ("a published config with a Python object", "!!python/object/apply:pathlib.Path.touch [executed]"),
        ("a published config with references", "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"),
        ("a published config nested too deeply", "[" * 1000),
        ("a published config that is no mapping", "- 1"),
    ],
)
def test_yaml(published, refused, what, text, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (published / "config.yaml").write_text(text)
    refused(what, lambda: read_published(str(published)))


def test_missing(published, refused, tmp_path):
    refused("a published inverter that is not there", lambda: load_inverter(str(tmp_path / "none")))
    (published / "config.yaml").unlink()
    refused("a published inverter without config", lambda: load_inverter(str(published)))


def test_weights(published, refused, tiny_prior):
    path = published / "model.safetensors"
    data, state = path.read_bytes(), load(path.read_bytes())  # no memory map of a file that is written again
    name = "conditioner.stem.weight"

    def open_it() -> object:
        return load_inverter(str(published), tiny_prior)

    path.write_bytes(data[:-100])
    refused("a published inverter with truncated weights", open_it)
    save_file({**state, name: torch.zeros(3, 3)}, path)
    refused("a published inverter with weights of a wrong shape", open_it)
    save_file({key: value for key, value in state.items() if key != name}, path)
    refused("a published inverter that lacks a weight", open_it)
    save_file({**state, "surplus": torch.zeros(1)}, path)
    refused("a published inverter with a surplus weight", open_it)
    save_file({**state, name: torch.full_like(state[name], torch.nan)}, path)
    refused("a published inverter with NaN in its weights", open_it)
    path.write_bytes(data)
    edit(published, inverter__width=1 << 16)
    refused("a published config that asks for more than its weights", open_it)


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("an inverter to start from that counts its pairs wrongly", {"training__pairs_seen": "40"}),
        ("an inverter to start from whose source is no line of text", {"training__source": "a\nb | c"}),
        ("an inverter to start from with other beginnings than a list", {"training__began_with": "toy"}),
    ],
)
def test_record_of_an_inverter_to_start_from(published, refused, what, changes):
    edit(published, **changes)
    refused(what, lambda: ancestors(read_published(str(published))))


def test_sizes_of_an_inverter_to_start_from(published, refused, train_config, tiny_shards, tmp_path):
    config = train_config(tmp_path)
    config.model.width = 32
    manifest = Manifest.load(tiny_shards / "train")
    module = build_module(config, manifest)
    refused("an inverter to start from of other sizes", lambda: start(module, str(published), manifest.target))


def test_another_prior_and_target(published, refused, tiny_prior, target_spec):
    import dataclasses

    for what, changes in (
        ("features of another layer, by spec", {"layer": "features.3"}),
        ("features of another target, by spec", {"weights_sha256": "1" * 64}),
        ("features of another payload, by spec", {"payload": "int8"}),
    ):
        other = dataclasses.replace(target_spec, **changes)
        refused(what, lambda other=other: load_inverter(str(published), tiny_prior, other))
    edit(published, prior_sha256="f" * 64)
    refused("a prior with other weights", lambda: load_inverter(str(published), tiny_prior))


def test_a_published_target_is_never_imported(published, refused_by_command, monkeypatch, tmp_path):
    (tmp_path / "hostile.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\nbuild = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    edit(published, target__name="module:hostile:build")
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    words = [f"inverter={published}", f"input={tmp_path / 'x.png'}", f"output={tmp_path / 'out'}", "device=cpu"]
    refused_by_command("a published inverter whose target is code", ["invert", *words])
