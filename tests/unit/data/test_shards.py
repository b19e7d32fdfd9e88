import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
import webdataset as wds

from inverter.data.manifest import Manifest
from inverter.data.pair_codec import decode_pair
from inverter.data.shards import ShardWriter, read_record

IMAGE = torch.arange(3 * 8 * 8).reshape(3, 8, 8).to(torch.uint8)
FEATURES = torch.linspace(-2, 2, 30).reshape(3, 2, 5)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.fixture
def members(tmp_path):
    with ShardWriter(tmp_path, 0, "float32") as writer:
        writer.add("a", IMAGE, FEATURES, latents=torch.ones(4, 2, 2), text="é", label=3, group="g", clip="c", frame=7)
    with tarfile.open(writer.path) as tar:
        return {entry.name.partition(".")[2]: tar.extractfile(entry).read() for entry in tar}


@pytest.fixture
def manifest(write_shards) -> Manifest:
    return replace(Manifest.load(write_shards((1,))), feature_dtype="float32")


def test_a_pair_survives_the_round_trip(members, manifest):
    pair = decode_pair("a", {**members, "pyd": b"never unpickled"}, "s.tar", manifest)
    assert torch.equal(pair["image"], IMAGE)
    np.testing.assert_array_equal(pair["features"], FEATURES.numpy())
    assert pair["latents"].dtype == np.float16
    meta = {name: pair[name] for name in ("text", "label", "group", "clip", "frame")}
    assert meta == {"text": "é", "label": 3, "group": "g", "clip": "c", "frame": 7}


def test_webdataset_reads_the_shard(write_shards):
    folder = write_shards((3,))
    samples = list(wds.WebDataset(str(folder / "pairs-000000.tar"), shardshuffle=False, empty_check=False))
    assert [sample["__key__"] for sample in samples] == ["pair-0", "pair-1", "pair-2"]
    assert {"png", "features.npy", "latents.npy", "json"} <= samples[0].keys()


def test_a_missing_member_is_named(members, manifest):
    del members["features.npy"]
    with pytest.raises(ValueError, match=r"shard s.tar: sample 'a' has no a.features.npy"):
        decode_pair("a", members, "s.tar", manifest)


@pytest.mark.parametrize(
    ("member", "data"),
    [
        ("features.npy", npy(np.array([{"a": 1}], dtype=object))),
        ("features.npy", npy(np.arange(3))),
        ("features.npy", b"\x80\x04N."),
        ("png", b"GIF89a"),
        ("json", b'{"text": 1}'),
        ("json", b"[]"),
    ],
)
def test_members_that_are_something_else_are_refused(members, manifest, member, data):
    with pytest.raises(ValueError, match=r"shard s.tar: sample 'a' cannot be decoded"):
        decode_pair("a", {**members, member: data}, "s.tar", manifest)


def test_overflow_says_what_to_do(tmp_path):
    message = "reach 70000, float16 ends at 65504; set feature_dtype=float32"
    with pytest.raises(ValueError, match=message), ShardWriter(tmp_path, 0) as writer:
        writer.add("a", IMAGE, FEATURES * 35_000)
    with ShardWriter(tmp_path, 0, "float32") as writer:
        writer.add("a", IMAGE, torch.full((3, 2, 5), 7e4))


def test_a_shard_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="NaN"), ShardWriter(tmp_path, 0) as writer:
        writer.add("a", IMAGE, FEATURES)
        writer.add("b", IMAGE, torch.full((3, 2, 5), torch.nan))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="no pair"), ShardWriter(tmp_path, 0):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["a.b", "a/b", "", "x" * 91, "ü"])
def test_keys_are_plain_and_unique(tmp_path, key):
    with ShardWriter(tmp_path, 0) as writer:
        writer.add("first", IMAGE, FEATURES)
        for name in (key, "first"):
            with pytest.raises(ValueError, match="allowed: 1 to 90 letters"):
                writer.add(name, IMAGE, FEATURES)


def test_the_sidecar_is_the_record_of_an_intact_shard(tmp_path):
    with ShardWriter(tmp_path, 4) as writer:
        writer.add("a", IMAGE, FEATURES, group="photo")
        writer.add("b", IMAGE, FEATURES * 2, group="photo")
        writer.add("c", IMAGE, FEATURES)
    record = read_record(tmp_path, 4)
    assert record is not None
    assert (record.info, record.num_bytes) == (writer.record.info, writer.path.stat().st_size)
    assert (record.groups, record.num_ungrouped, record.feature_shape) == (("photo",), 1, (3, 2, 5))
    stacked = torch.stack([FEATURES, FEATURES * 2, FEATURES]).half().double()
    np.testing.assert_allclose(record.statistics.mean, stacked.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(record.statistics.std, stacked.std((0, 2, 3), correction=0), rtol=1e-12)
    sidecar = writer.path.with_suffix(".json")
    intact = sidecar.read_text()
    for damaged in ("", "{}", "[]", intact[:-9]):
        sidecar.write_text(damaged)
        assert read_record(tmp_path, 4) is None
    sidecar.write_text(intact)
    writer.path.write_bytes(b"cut")
    assert read_record(tmp_path, 4) is None
