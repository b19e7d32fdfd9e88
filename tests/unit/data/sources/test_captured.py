import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from inverter.data.sources.captured import CapturedSource, load_features


@pytest.fixture
def folders(tmp_path):
    pictures, features = tmp_path / "pictures", tmp_path / "features"
    for folder in (pictures / "sub", features / "sub"):
        folder.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(pictures / "a.png")
    Image.new("RGB", (4, 4)).save(pictures / "sub" / "b.jpg")
    np.save(features / "a.npy", np.full((2, 3, 3), 0.5, dtype=np.float16))
    save_file({"features": torch.ones(2, 3, 3), "other": torch.ones(1)}, features / "sub" / "b.safetensors")
    return pictures, features


def test_pictures_meet_their_features(folders):
    source = CapturedSource(*folders, 8)
    items = list(source.shard(0))
    assert [(item.key, float(item.features.mean())) for item in items] == [("a", 0.5), ("sub_b", 1.0)]
    assert {item.features.dtype for item in items} == {torch.float32}
    assert (source.spec.name, source.spec.layer, source.spec.feature_shape) == ("captured", "unknown", (2, 3, 3))


def test_two_pictures_of_one_stem_share_no_features(folders):
    Image.new("RGB", (4, 4)).save(folders[0] / "a.bmp")
    with pytest.raises(ValueError, match=r"a.npy belongs to more than one picture"):
        CapturedSource(*folders, 8)


def test_spec_comes_from_the_folder(folders, spec):
    (folders[1] / "spec.json").write_text(json.dumps(spec.to_dict()))
    source = CapturedSource(*folders, 8)
    assert source.spec == spec
    with pytest.raises(ValueError, match=r"a.npy has shape \(2, 3, 3\); needed: \(3, 2, 5\)"):
        list(source.shard(0))
    (folders[1] / "spec.json").write_text("{}")
    with pytest.raises(ValueError, match=r"spec.json: .*missing keys"):
        CapturedSource(*folders, 8)


def test_joint_layers_come_in_one_file(tmp_path, spec):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    joint = replace(spec, layer="x+y", feature_shape=((2, 3, 3), (4,)))
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "spec.json").write_text(json.dumps(joint.to_dict()))
    tensors = {"y": torch.ones(4), "x": torch.zeros(2, 3, 3)}
    save_file(tensors, tmp_path / "features" / "a.safetensors")
    source = CapturedSource(tmp_path, tmp_path / "features", 8, 1)
    (item,) = source.shard(0)
    assert item.features.tolist() == [0.0] * 18 + [1.0] * 4
    save_file({**tensors, "x": torch.zeros(3, 2, 3)}, tmp_path / "features" / "a.safetensors")
    with pytest.raises(ValueError, match=r"a.safetensors has shape \(3, 2, 3\); needed: \(2, 3, 3\)"):
        list(source.shard(0))


def test_a_missing_partner_is_named(folders):
    (folders[1] / "a.npy").unlink()
    with pytest.raises(ValueError, match=r"a.png needs exactly one feature file in .*a.npy or a.safetensors; found 0"):
        CapturedSource(*folders, 8)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{}], dtype=object), "cannot be read: array of object; allowed: float16"),
        (np.ones(3, dtype=np.int64), "array of int64; allowed: float16, float32, float64"),
        (np.ones((2, 2, 3, 3), dtype=np.float32), r"of one image; save features\[0\], features\[1\]"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        load_features(tmp_path / "x.npy")


def test_a_channels_last_map_is_read_channels_first(tmp_path):
    features = np.random.default_rng(0).standard_normal((4, 4, 6)).astype(np.float32)
    np.save(tmp_path / "a.npy", features)
    assert torch.equal(load_features(tmp_path / "a.npy"), torch.from_numpy(features).permute(2, 0, 1))
