"""Features captured elsewhere, given to `prepare` and `invert`."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save, save_file
from torch import nn

from inverter.data.feature_files import load_features
from inverter.data.sources.captured import CapturedSource
from inverter.targets import load_target

GOOD = np.ones((2, 3, 3), dtype=np.float32)


def header(shape: str, dtype: str = "<f4") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("a feature file of Python objects", header("(1,)", "|O")),
        ("a feature file whose shape is huge", header("(999999999999, 9)") + b"\x00" * 64),
        ("a feature file whose shape is negative", header("(-1, 3)") + b"\x00" * 64),
        ("a feature file with trailing bytes", header("(3,)") + b"\x00" * 13),
        ("a feature file of integers", header("(3,)", "<i4") + b"\x00" * 12),
        ("a feature file of several images", header("(2, 1, 3, 1)") + b"\x00" * 24),
        ("a feature file with NaN", header("(2,)") + np.array([1, np.nan], dtype=np.float32).tobytes()),
        ("an empty feature file", b""),
    ],
)
def test_npy(tmp_path, refused, what, data):
    (tmp_path / "x.npy").write_bytes(data)
    refused(what, lambda: load_features(tmp_path / "x.npy"))


def test_joint_layers(refused):
    refused("a layer twice among joint ones", lambda: load_target(nn.Sequential(nn.ReLU()), "0+0", input_size=8))


def test_pickles(tmp_path, refused, payload):
    (tmp_path / "x.npy").write_bytes(payload)
    refused("a pickle as feature file", lambda: load_features(tmp_path / "x.npy"))
    (tmp_path / "x.npy").write_bytes(header("(1,)", "|O") + payload)
    refused("a feature file of Python objects", lambda: load_features(tmp_path / "x.npy"))


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("truncated safetensors", save({"features": torch.ones(2, 3, 3)})[:-4]),
        ("safetensors without a tensor", save({})),
        ("safetensors with several tensors", save({"a": torch.ones(1), "b": torch.ones(1)})),
        ("safetensors of integers", save({"a": torch.ones(1, dtype=torch.int32)})),
        ("safetensors whose header is huge", b"\xff" * 8 + b"{}"),
    ],
)
def test_safetensors(tmp_path, refused, what, data):
    (tmp_path / "x.safetensors").write_bytes(data)
    refused(what, lambda: load_features(tmp_path / "x.safetensors"))


def test_every_number_format_that_is_one_is_read(tmp_path):
    for dtype in ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8"):
        np.save(tmp_path / "x.npy", np.asfortranarray(np.arange(6).reshape(2, 3).astype(dtype)))
        features = load_features(tmp_path / "x.npy")
        assert features.dtype == torch.float32
        assert features.tolist() == [[0, 1, 2], [3, 4, 5]]
    np.save(tmp_path / "x.npy", np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2))
    assert load_features(tmp_path / "x.npy").shape == (3, 2, 2)
    save_file({"x": torch.tensor([1.5], dtype=torch.bfloat16)}, tmp_path / "x.safetensors")
    assert load_features(tmp_path / "x.safetensors").tolist() == [1.5]


@pytest.fixture
def captured(tmp_path) -> tuple[Path, Path]:
    pictures, features = tmp_path / "pictures", tmp_path / "features"
    for folder in (pictures, features):
        folder.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (4, 4)).save(pictures / f"{name}.png")
        np.save(features / f"{name}.npy", GOOD)
    return pictures, features


def test_captured_folders(captured, refused):
    pictures, features = captured
    np.save(features / "b.npy", GOOD[:, :2])
    refused("captured features of two shapes", lambda: list(CapturedSource(pictures, features, 8).shard(0)))
    for name in ("a", "b"):
        np.save(features / f"{name}.npy", np.ones((1, 3, 4), dtype=np.float32))
    refused("captured features whose axes can mean two things", lambda: CapturedSource(pictures, features, 8))
    np.save(features / "a.npy", GOOD)
    (features / "b.npy").unlink()
    refused("a picture without captured features", lambda: CapturedSource(pictures, features, 8))
    (features / "spec.json").write_text('{"name": "x"}')
    np.save(features / "b.npy", GOOD)
    refused("a captured spec.json without its keys", lambda: CapturedSource(pictures, features, 8))
    (features / "spec.json").write_text("[" * 100_000)
    refused("a captured spec.json that is no JSON", lambda: CapturedSource(pictures, features, 8))


def test_preprocessing_of_a_spec_is_finite(captured, refused, target_spec):
    values = target_spec.to_dict()
    values["preprocessing"]["std"] = [1.0, float("nan"), 1.0]
    (captured[1] / "spec.json").write_text(json.dumps(values))
    refused("a captured spec.json with NaN", lambda: CapturedSource(*captured, 8))


def test_invert(published, refused_by_command, tmp_path):
    words = ["invert", f"inverter={published}", "device=cpu", f"output={tmp_path / 'out'}"]
    features = tmp_path / "features"
    features.mkdir()
    refused_by_command("an empty folder to invert", [*words, f"input={features}"])
    np.save(features / "a.npy", np.zeros((6, 5, 7), dtype=np.float32))
    np.save(features / "b.npy", np.zeros((5, 6, 7), dtype=np.float32))
    refused_by_command("features of another layer to invert", [*words, f"input={features}"])
    np.save(features / "b.npy", np.full((6, 5, 7), np.inf, dtype=np.float32))
    refused_by_command("infinite features to invert", [*words, f"input={features}"])
    refused_by_command("an input that is not there", [*words, f"input={tmp_path / 'none.png'}"])
    torch.save(torch.zeros(6, 5, 7), tmp_path / "feat.pt")
    refused_by_command("features saved by torch.save to invert", [*words, f"input={tmp_path / 'feat.pt'}"])
    np.savez(tmp_path / "feat.npz", np.zeros((6, 5, 7)))
    refused_by_command("features in an archive to invert", [*words, f"input={tmp_path / 'feat.npz'}"])
    good = [*words, f"input={features / 'a.npy'}"]
    refused_by_command("a layer that is not the inverter's", [*good, "target.layer=blocks.6"])
    refused_by_command("a layer of which no inverter is published", [*good[:1], *good[2:], "target.layer=blocks.3"])
    refused_by_command("a prompt that is not read", [*good, "prompt=a dog"])
    assert not (tmp_path / "out" / "summary.json").exists()
