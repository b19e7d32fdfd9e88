import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from inverter.data.manifest import Manifest
from inverter.data.origins import Origins, check_disjoint, load_origins, merge_origins, picture_hash

A, B, C = "a" * 16, "b" * 16, "c" * 16


def give(folder: Path, origins: Origins) -> Path:
    origins.save(folder)
    replace(Manifest.load(folder), origins_sha256=origins.sha256()).save(folder)
    return folder


def test_what_is_saved_is_read(write_shards):
    origins = Origins({A: "x", B: "y"}, {C: "clip"}, frozenset({A}))
    folder = give(write_shards(), origins)
    assert load_origins(folder, Manifest.load(folder).origins_sha256) == origins
    assert load_origins(f"file://{folder}", Manifest.load(folder).origins_sha256) == origins
    assert origins.num_sources == 2


def test_shards_together_count_each_source_once():
    one, other = (
        Origins({A: "x"}, {C: "clip"}, frozenset({A})),
        Origins({A: "y", B: "z"}, {C: "clip"}, frozenset({A, B})),
    )
    both = merge_origins([one, other])
    assert (both.pictures, both.num_sources) == ({A: "x", B: "z"}, 3)


def test_shared_pictures_and_clips_are_named(write_shards):
    many = {f"{number:016x}": f"p{number}" for number in range(5)}
    train = give(write_shards((2,)), Origins(many, {C: "clip"}))
    dev = give(write_shards((3,), "dev"), Origins({**many, A: "new"}, {B: "other"}))
    with pytest.raises(ValueError, match=r"have 5 picture\(s\) \(p0, p1, p2, \.\.\.\) in common; take"):
        check_disjoint(train, dev)
    give(dev, Origins({A: "new"}, {C: "film"}))
    with pytest.raises(ValueError, match=r"have 1 photo\(s\) or clip\(s\) \(clip there, film here\) in common"):
        check_disjoint(train, dev)
    give(dev, Origins({A: "new"}, {B: "film"}))
    check_disjoint(train, dev)


def test_what_cannot_be_compared_is_said(write_shards, caplog):
    train, dev = give(write_shards((2,)), Origins({A: "x"})), write_shards((3,), "dev")
    check_disjoint(train, dev)
    assert f"{dev} has no origins.json: whether {train} shares a picture with it was not checked" in caplog.text
    (train / "origins.json").unlink()
    assert load_origins(train, Manifest.load(train).origins_sha256) is None


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"pictures": {}}',
        '{"pictures": {"a": "x"}, "groups": {}, "ungrouped": []}',
        json.dumps({"pictures": {A: 1}, "groups": {}, "ungrouped": []}),
        json.dumps({"pictures": {}, "groups": {}, "ungrouped": [1]}),
    ],
)
def test_what_is_none_is_refused(write_shards, text):
    folder = give(write_shards(), Origins({A: "x"}))
    (folder / "origins.json").write_text(text)
    with pytest.raises(ValueError, match=r"origins.json is not the one that was written there"):
        load_origins(folder, Manifest.load(folder).origins_sha256)
    with pytest.raises(ValueError, match=r"origins.json: "):
        load_origins(folder, hashlib.sha256(text.encode()).hexdigest())


def test_hashes_are_of_size_and_pixels():
    red = Image.new("RGB", (4, 2), "red")
    assert picture_hash(red) == picture_hash(red.copy()) != picture_hash(Image.new("RGB", (2, 4), "red"))
    assert picture_hash(red, in_clip=True) == ""
    red.putpixel((0, 0), (0, 0, 0))
    assert picture_hash(red, in_clip=True) == picture_hash(red)


def test_pictures_one_by_one():
    assert Origins.of("key", A) == Origins({A: "key"}, ungrouped=frozenset({A}))
    assert Origins.of("key", A, "clip", C) == Origins({A: "key"}, {C: "clip"})
    assert Origins.of("key", "", "clip").pictures == {} and len(Origins.of("key", "", "clip").groups) == 1
    assert len(Origins.of("key", "", "key").ungrouped) == 1


def test_the_same_shards_are_refused_without_origins(write_shards):
    folder = write_shards()
    shutil.copytree(folder, folder.with_name("dev"))
    with pytest.raises(ValueError, match=r"have 2 shard\(s\) in common"):
        check_disjoint(folder, folder.with_name("dev"))
