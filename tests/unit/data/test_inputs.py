import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from inverter.data.clip_writer import frame_rate, write_clip
from inverter.data.feature_files import load_layers
from inverter.data.inputs import Input, batches, is_clip, is_sequence, read_inputs


def test_pictures_features_and_folders_of_either(tmp_path):
    for folder in ("pictures", "features"):
        (tmp_path / folder).mkdir()
    for name in ("b", "a"):
        Image.new("RGB", (9, 7), "red").save(tmp_path / "pictures" / f"{name}.png")
        np.save(tmp_path / "features" / f"{name}.npy", np.ones((2, 3, 3), dtype=np.float32))
    found = list(read_inputs(tmp_path / "pictures", ["x"], 4))
    assert [item.key for item in found] == ["a", "b"]
    assert found[0].picture.shape == (3, 4, 4)
    found = list(read_inputs(tmp_path / "features", ["x"], 4))
    assert [item.key for item in found] == ["a", "b"]
    assert found[0].features["x"].shape == (2, 3, 3)
    assert [item.key for item in read_inputs(tmp_path / "pictures" / "a.png", ["x"], 4)] == ["a"]
    with pytest.raises(ValueError, match="allowed: a picture, a clip, a folder, shards"):
        list(read_inputs(tmp_path / "none.png", ["x"], 4))


def test_shards_of_pictures_and_which_inputs_may_hold_several(tmp_path):
    Image.new("RGB", (9, 7), "red").save(tmp_path / "a.png")
    with tarfile.open(tmp_path / "x-000.tar", "w") as tar:
        for name in ("b.png", "a.png"):
            tar.add(tmp_path / "a.png", name)
    found = list(read_inputs(tmp_path / "x-*.tar", ["x"], 4))
    assert [item.key for item in found] == ["b", "a"]
    assert found[0].picture.shape == (3, 4, 4)
    assert [is_sequence(tmp_path / name) for name in ("", "x-*.tar", "a.png")] == [True, True, False]


def test_features_of_subfolders_keys_of_their_own_and_one_kind(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.npy", "sub/a.npy", "my photo.npy"):
        np.save(tmp_path / name, np.ones((2, 3, 3), dtype=np.float32))
    save_file({"features": torch.zeros(2, 3, 3)}, tmp_path / "a.safetensors")
    found = {item.key: float(item.features["x"].mean()) for item in read_inputs(tmp_path, ["x"], 4)}
    assert sorted(found.values()) == [0, 1, 1, 1] and {"a", "my_photo", "sub_a"} < set(found)
    (tmp_path / "b.pkl").write_bytes(b"")
    with pytest.raises(ValueError, match=r"b.pkl', pickled and never read"):
        list(read_inputs(tmp_path, ["x"], 4))
    (tmp_path / "b.pkl").unlink()
    Image.new("RGB", (9, 7), "red").save(tmp_path / "c.png")
    with pytest.raises(ValueError, match=r"holds a.npy and c.png; allowed: one kind"):
        list(read_inputs(tmp_path, ["x"], 4))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.H5", r"x.H5', which is not read; .* h5py.File\('features.h5'\)"),
        ("x.mat", "scipy.io.loadmat"),
        ("x.PKL", r"pickled and never read; allowed: .npy, .npz, .safetensors, .pt, .pth; convert"),
    ],
)
def test_other_kinds_of_feature_files_say_how_to_convert(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"PK")
    np.save(tmp_path / "._a.npy", np.ones(3, dtype=np.float32))  # hidden: not counted
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(ValueError, match=message):
            list(read_inputs(path, ["x"], 4))
    np.save(tmp_path / "a.npy", np.ones(3, dtype=np.float32))
    with pytest.raises(ValueError, match=message):
        list(read_inputs(tmp_path, ["x"], 4))


def test_endings_count_in_any_case(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3, dtype=np.float32))
    (tmp_path / "a.npy").rename(tmp_path / "A.NPY")
    assert [item.key for item in read_inputs(tmp_path / "A.NPY", ["x"], 4)] == ["A"]
    Image.new("RGB", (9, 7), "red").save(tmp_path / "b.png")
    with tarfile.open(tmp_path / "X.TAR", "w") as tar:
        tar.add(tmp_path / "b.png", "b.PNG")
    assert [item.key for item in read_inputs(tmp_path / "X.TAR", ["x"], 4)] == ["b"]


def test_several_layers_come_in_one_file(tmp_path):
    tensors = {"a.1": torch.ones(1, 2, 3, 3), "b": torch.ones(5)}
    save_file(tensors, tmp_path / "x.safetensors")
    assert {k: tuple(v.shape) for k, v in load_layers(tmp_path / "x.safetensors", ["b", "a.1"]).items()} == {
        "b": (5,),
        "a.1": (2, 3, 3),
    }
    with pytest.raises(ValueError, match=r"holds \['a.1', 'b'\]; needed: \['b', 'c'\], one tensor each"):
        load_layers(tmp_path / "x.safetensors", ["b", "c"])
    save_file({**tensors, "b": torch.full((5,), torch.nan)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="holds b: NaN or infinity; allowed: finite numbers"):
        load_layers(tmp_path / "x.safetensors", ["b", "a.1"])
    save_file({**tensors, "b": torch.ones(0)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"holds b: torch.float32 \(0,\); allowed: floating point"):
        load_layers(tmp_path / "x.safetensors", ["b", "a.1"])


def save_each(folder, tensors):
    """The same tensors in each format that takes several."""
    folder.mkdir()
    save_file(tensors, folder / "x.safetensors")
    np.savez_compressed(folder / "y.npz", **{name: values.numpy() for name, values in tensors.items()})
    torch.save(tensors, folder / "z.pt")


def test_every_format_gives_the_same(tmp_path):
    tensors = {"features": torch.arange(12.0).reshape(2, 3, 2), "other": torch.ones(1)}
    save_each(tmp_path / "f", tensors)
    torch.save(tensors["features"].double().requires_grad_(), tmp_path / "f" / "a.pth")
    found = list(read_inputs(tmp_path / "f", ["a"], 4))
    assert [item.key for item in found] == ["a", "x", "y", "z"]
    for item in found:
        assert torch.equal(item.features["a"], tensors["features"])
        assert item.features["a"].dtype == torch.float32


def test_several_images_in_a_file_are_inputs_in_its_order(tmp_path):
    maps, vectors = torch.arange(72.0).reshape(2, 3, 4, 3), torch.arange(10.0).reshape(2, 5)
    save_each(tmp_path / "f", {"a": maps, "b": vectors})
    found = list(read_inputs(tmp_path / "f", ["a+b"], 4, axes="BHWC+BD"))
    assert [item.key for item in found] == [f"{name}-00000{row}" for name in "xyz" for row in (0, 1)]
    for item, row in zip(found, [0, 1] * 3, strict=True):
        assert torch.equal(item.features["a"], maps[row].permute(2, 0, 1))
        assert torch.equal(item.features["b"], vectors[row])
        assert item.stated
    np.save(tmp_path / "t.npy", vectors.numpy())
    assert [item.features["t"].shape for item in read_inputs(tmp_path / "t.npy", ["t"], 4, axes="BD")] == [(5,)] * 2
    assert [item.features["t"].shape for item in read_inputs(tmp_path / "t.npy", ["t"], 4, axes="ND")] == [(2, 5)]


def test_batches():
    items = [Input(str(i)) for i in range(5)]
    assert [[item.key for item in group] for group in batches(iter(items), 2)] == [["0", "1"], ["2", "3"], ["4"]]
    assert sum(len(group) for group in batches(iter(items), 2, 3)) == 3
    with pytest.raises(ValueError, match="batch_size is 0; allowed: 1 or more"):
        next(batches(iter(items), 0))


@pytest.mark.parametrize("size", [(16, 24), (15, 21)])
def test_a_clip_comes_back_nearly_as_it_was_written(tmp_path, size):
    ramp = torch.linspace(0, 200, size[0] * size[1]).reshape(1, 1, *size).expand(6, 3, -1, -1)
    frames = (ramp + 8 * torch.arange(6)[:, None, None, None]).byte()
    write_clip(tmp_path / "clip.mp4", frames, frame_rate_of(12))
    assert is_clip(tmp_path / "clip.mp4")
    assert float(frame_rate(tmp_path / "clip.mp4")) == 12
    assert float(frame_rate(tmp_path / "clip.mp4", stride=3)) == 4
    assert float(frame_rate(tmp_path / "clip.mp4", fps=7.5)) == 7.5
    assert float(frame_rate(tmp_path / "clip.mp4", fps=30)) == 12  # there are no more
    found = list(read_inputs(tmp_path / "clip.mp4", ["x"], 14))
    assert [item.key for item in found] == [f"clip-{i:06d}" for i in range(6)]
    means = torch.stack([item.picture.float().mean() for item in found])
    torch.testing.assert_close(means.diff(), torch.full((5,), 8.0), rtol=0, atol=2)


def frame_rate_of(rate: int):
    from fractions import Fraction

    return Fraction(rate)


def test_rows_of_a_table_of_vectors(tmp_path):
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(pa.table({"v": [[1.0, 2.0], [3.0, 4.0]], "name": ["a", "b"]}), path)
    found = list(read_inputs(path, ["x"], 4))
    assert [item.key for item in found] == ["row-00000000", "row-00000001"]
    assert found[1].features["x"].tolist() == [3.0, 4.0]
    assert is_sequence(path)
    with pytest.raises(ValueError, match="holds the vectors of one layer; allowed: one of x, y"):
        list(read_inputs(path, ["x", "y"], 4))
