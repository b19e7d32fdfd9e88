import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from inverter.data.feature_files import load_features
from inverter.data.sources.captured import CapturedSource


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
    (folders[1] / "spec.json").write_text(json.dumps(replace(spec, payload="fp16:3").to_dict()))
    with pytest.raises(ValueError, match=r"spec.json: payload='fp16:3': it takes no argument; allowed: fp16"):
        CapturedSource(*folders, 8)
    (folders[1] / "spec.json").write_text(json.dumps(replace(spec, payload="ours-v1").to_dict()))
    assert CapturedSource(*folders, 8).spec.payload == "ours-v1"
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
    with pytest.raises(ValueError, match=r"a.png needs exactly one feature file in .*a.npy or a.npz or .*; found 0"):
        CapturedSource(*folders, 8)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{}], dtype=object), "cannot be read: array of object; allowed: float16"),
        (np.ones(3, dtype=np.int64), "array of int64; allowed: float16, float32, float64"),
        (
            np.ones((2, 2, 3, 3), dtype=np.float32),
            r"of one image; of several images, feature_axes=BCHW or BHWC says so",
        ),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        load_features(tmp_path / "x.npy")


def save_all(folders, shape: tuple[int, ...]) -> None:
    (folders[1] / "sub" / "b.safetensors").unlink(missing_ok=True)
    for name in ("a", "sub/b"):
        np.save(folders[1] / f"{name}.npy", np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


@pytest.mark.parametrize(
    ("saved", "told"),
    [
        ((1, 17, 32), [[17, 32], [1, 17, 32]]),  # tokens in a batch, or a map of one channel
        ((6, 6, 10), [[6, 6, 10], [10, 6, 6]]),  # a wide map, or channels last
        ((2, 9, 16), [[2, 9, 16], [16, 2, 9]]),
        ((1, 7), [[7], [1, 7]]),
        ((1, 1, 7), [[7], [1, 7], [1, 1, 7]]),
    ],
)
def test_axes_that_can_mean_more_than_one_thing_are_asked_for(folders, saved, told):
    save_all(folders, saved)
    with pytest.raises(ValueError, match=r"can mean more than one thing; set feature_shape=\[") as caught:
        CapturedSource(*folders, 8)
    for shape in told:
        assert f"feature_shape={shape}".replace(" ", "") in str(caught.value)
        source = CapturedSource(*folders, 8, feature_shape=shape)
        features = next(source.shard(0)).features
        assert list(source.spec.feature_shape) == list(features.shape) == shape
        turned = saved[-1] == shape[0] and len(shape) == 3 and shape != list(saved)
        expected = torch.arange(float(np.prod(saved))).reshape(saved)
        assert torch.equal(features, expected.permute(2, 0, 1) if turned else expected.reshape(shape))


@pytest.mark.parametrize(
    ("saved", "read"), [((5,), (5,)), ((4, 6), (4, 6)), ((3, 4, 4), (3, 4, 4)), ((1, 3, 4, 4), (3, 4, 4))]
)
def test_axes_that_say_what_they_are_are_not_asked_for(folders, saved, read):
    save_all(folders, saved)
    assert CapturedSource(*folders, 8).spec.feature_shape == read


def test_several_images_in_a_file_say_what_to_do(folders):
    save_all(folders, (2, 4, 6))
    with pytest.raises(ValueError, match=r"needed: \(4, 6\); of several images, feature_axes=BND says so"):
        list(CapturedSource(*folders, 8, feature_shape=[4, 6]).shard(0))
    with pytest.raises(ValueError, match=r"feature_shape=\[2, 0\]; allowed: \[C, h, w\]"):
        CapturedSource(*folders, 8, feature_shape=[2, 0])


def test_several_pictures_features_in_a_file_with_their_order_beside_it(folders):
    for path in (folders[1] / "a.npy", folders[1] / "sub" / "b.safetensors"):
        path.unlink()
    values = np.arange(36, dtype=np.float32).reshape(2, 3, 3, 2)
    np.save(folders[1] / "all.npy", values)
    (folders[1] / "all.txt").write_text("sub/b.jpg\na.png\n")
    source = CapturedSource(*folders, 8, axes="BHWC")
    assert source.spec.feature_shape == (2, 3, 3)
    assert [(item.key, item.features.tolist()) for item in source.shard(0)] == [
        ("a", values[1].transpose(2, 0, 1).tolist()),
        ("sub_b", values[0].transpose(2, 0, 1).tolist()),
    ]
    (folders[1] / "all.txt").write_text("a.png\nsub/b.jpg\n")
    assert CapturedSource(*folders, 8, axes="BHWC").listing() != source.listing()  # another order is another source


def test_stated_axes_are_not_second_guessed(folders):
    save_all(folders, (3, 3, 2))
    assert CapturedSource(*folders, 8, axes="HWC").spec.feature_shape == (2, 3, 3)
    source = CapturedSource(*folders, 8, feature_shape=[2, 3, 3], axes="CHW")
    with pytest.raises(ValueError, match=r"a.npy has shape \(3, 3, 2\); needed: \(2, 3, 3\)$"):
        next(source.shard(0))


def test_a_shape_that_is_not_the_specs_is_refused(folders, spec):
    (folders[1] / "spec.json").write_text(json.dumps(spec.to_dict()))
    with pytest.raises(ValueError, match=r"feature_shape=\[2, 3, 3\], but .*spec.json says \[3, 2, 5\]"):
        CapturedSource(*folders, 8, feature_shape=[2, 3, 3])


def test_partners_are_found_in_any_case_and_unicode_form(tmp_path):
    for folder in ("pictures", "features"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / "caf\u00e9.PNG")
    np.save(tmp_path / "x.npy", np.ones(5, np.float32))
    (tmp_path / "x.npy").rename(tmp_path / "features" / "cafe\u0301.NPY")
    np.save(tmp_path / "features" / "._cafe\u0301.npy", np.ones(1, np.float32))
    (item,) = CapturedSource(tmp_path / "pictures", tmp_path / "features", 8).shard(0)
    assert (item.key, item.features.tolist()) == ("caf_", [1.0] * 5)


def test_features_of_other_kinds_say_how_to_convert(folders):
    (folders[1] / "a.h5").write_bytes(b"")
    (folders[1] / "a.npy").unlink()
    with pytest.raises(ValueError, match=r"found 0; a.h5 is there, which is not read; .* h5py.File\('features.h5'\)"):
        CapturedSource(*folders, 8)
