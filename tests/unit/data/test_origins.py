import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from inverter.data.manifest import Manifest
from inverter.data.origins import Origins, check_disjoint, is_flat, load_origins, merge_origins, picture_hash

A, B, C = "a" * 16, "b" * 16, "c" * 16


def give(folder: Path, origins: Origins) -> Path:
    origins.save(folder)
    replace(Manifest.load(folder), origins_sha256=origins.sha256()).save(folder)
    return folder


def test_what_is_saved_is_read(write_shards):
    origins = Origins({A: "x", B: "y"}, {C: "clip"}, frozenset({A}))
    folder = give(write_shards(), origins)
    assert load_origins(folder, Manifest.load(folder)) == origins
    assert load_origins(f"file://{folder}", Manifest.load(folder)) == origins
    assert origins.num_sources == 2


def test_shards_together_count_each_source_once():
    one, other = (
        Origins({A: "x"}, {C: "clip"}, frozenset({A})),
        Origins({A: "y", B: "z"}, {C: "clip"}, frozenset({A, B})),
    )
    both = merge_origins([one, other])
    assert (both.pictures, both.num_sources) == ({A: "x", B: "z"}, 3)
    assert merge_origins([one, None]) is None


def test_shared_pictures_and_clips_are_named(write_shards):
    many = {f"{number:016x}": f"p{number}" for number in range(5)}
    train = give(write_shards((2,)), Origins(many, {C: "clip"}))
    dev = give(write_shards((3,), "dev"), Origins({**many, A: "new"}, {B: "other"}))
    with pytest.raises(ValueError, match=r"have 5 picture\(s\) \(p0, p1, p2, \.\.\.\) in common; prepare each split"):
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
    assert load_origins(train, Manifest.load(train)) is None


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
    with pytest.raises(ValueError, match=r"origins.json is not that of the manifest beside it"):
        load_origins(folder, Manifest.load(folder))
    manifest = replace(Manifest.load(folder), origins_sha256=hashlib.sha256(text.encode()).hexdigest())
    with pytest.raises(ValueError, match=r"origins.json: "):
        load_origins(folder, manifest)


def test_hashes_are_of_size_and_pixels():
    red = Image.new("RGB", (4, 2), "red")
    assert picture_hash(red) == picture_hash(red.copy()) != picture_hash(Image.new("RGB", (2, 4), "red"))
    assert is_flat(red)
    red.putpixel((0, 0), (0, 0, 0))
    assert not is_flat(red)


def test_the_same_shards_are_refused_without_origins(write_shards):
    folder = write_shards()
    shutil.copytree(folder, folder.with_name("dev"))
    with pytest.raises(ValueError, match=r"have 2 shard\(s\) in common"):
        check_disjoint(folder, folder.with_name("dev"))
