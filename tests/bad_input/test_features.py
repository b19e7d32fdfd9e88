"""Features captured elsewhere, given to `prepare` and `invert`."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save, save_file
from torch import nn

from inverter.data.feature_axes import split_axes
from inverter.data.feature_files import fitting, load_features, load_images
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


@pytest.mark.filterwarnings("ignore")
def test_pt(tmp_path, refused, payload):
    path = tmp_path / "x.pt"

    def check(what: str) -> None:
        refused(what, lambda: load_features(path))

    torch.save([torch.ones(3)], path)
    check("a .pt of nested lists")
    torch.save(torch.ones(3, 4, 4), path, _use_new_zipfile_serialization=False)
    check("a .pt of PyTorch 1.5")
    torch.save(torch.ones(1).expand(900, 900, 900), path)
    check("a .pt of a tensor that is larger than its file")
    torch.save(torch.ones(3, 4, 4), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    check("a .pt cut short")
    path.write_bytes(payload)
    check("a .pt of PyTorch 1.5")
    for what, compression, changed in (
        ("a .pt that calls a function", zipfile.ZIP_STORED, {"x/data.pkl": payload}),
        ("a .pt that is compressed", zipfile.ZIP_DEFLATED, {}),
    ):
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(path, "w", compression) as new:
            for member in old.namelist():
                new.writestr(member, changed.get(member, old.read(member)))
        check(what)
    torch.save(torch.ones(3, 40, 40), path)
    whole = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.namelist():
            new.writestr(member, old.read(member))
        new.filelist += [max(new.filelist, key=lambda member: member.file_size)] * 9
    check("a .pt whose members overlap")


def test_npz(tmp_path, refused):
    path = tmp_path / "x.npz"

    def check(what: str) -> None:
        refused(what, lambda: load_features(path))

    np.savez(path, a=np.array([{}], dtype=object))
    check("a .npz of Python objects")
    np.savez(path, a=np.ones(3), b=np.ones(3))
    check("a .npz of several arrays")
    path.write_bytes(path.read_bytes()[:-9])
    check("a .npz cut short")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "x")
    check("a .npz of other files")
    np.savez(path, a=np.ones(3))
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (1 << 30).to_bytes(4, "little")  # of the member, uncompressed
    path.write_bytes(data)
    check("a .npz that claims to be huge")


def test_axes(tmp_path, refused, target_spec):
    np.save(tmp_path / "x.npy", GOOD)
    refused("axes of another number", lambda: load_features(tmp_path / "x.npy", "BCHW"))
    refused("axes of two layers, one with a batch", lambda: split_axes("BCHW+D", 2))
    save_file({"a": torch.ones(2, 3), "b": torch.ones(3, 3)}, tmp_path / "x.safetensors")
    refused("batches of two sizes", lambda: load_images(tmp_path / "x.safetensors", ["a", "b"], "BD"))
    cube = replace(target_spec, feature_shape=(3, 3, 3))
    sent = {cube.layer: torch.ones(3, 3, 3)}
    refused("features whose channels may come first or last", lambda: fitting(sent, cube, "a"))
    assert fitting(sent, cube, "a", stated=True).shape == (3, 3, 3)


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


def test_captured_features_of_several_pictures(captured, refused):
    pictures, features = captured
    for path in features.iterdir():
        path.unlink()
    np.save(features / "all.npy", np.stack([GOOD, GOOD]))

    def check(what: str) -> None:
        refused(what, lambda: list(CapturedSource(pictures, features, 8, axes="BCHW").shard(0)))

    check("features of several pictures in no stated order")
    for what, names in (("not named", "a.png"), ("not there", "a.png\nb.png\nc.png"), ("named twice", "a.png\na.png")):
        (features / "all.txt").write_text(names)
        check(f"features of several pictures, one of them {what}")
    (features / "all.txt").write_text("b.png\na.png\n")
    np.save(features / "all.npy", GOOD[None])
    check("features of fewer pictures than are named")


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
    (tmp_path / "feat.pkl").write_bytes(b"")
    refused_by_command("a pickle to invert", [*words, f"input={tmp_path / 'feat.pkl'}"])
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    refused_by_command("axes of pictures to invert", [*words, f"input={tmp_path / 'a.png'}", "feature_axes=CHW"])
    refused_by_command("axes that are none", [*words, f"input={features / 'a.npy'}", "feature_axes=NCHW"])
    good = [*words, f"input={features / 'a.npy'}"]
    refused_by_command("a layer that is not the inverter's", [*good, "target.layer=blocks.6"])
    refused_by_command("a layer of which no inverter is published", [*good[:1], *good[2:], "target.layer=blocks.3"])
    refused_by_command("a prompt that is not read", [*good, "prompt=a dog"])
    assert not (tmp_path / "out" / "summary.json").exists()
