import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from inverter.data.manifest import Manifest, check_shard_name


def edit(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_load_gives_what_was_saved(write_shards, spec):
    folder = write_shards((2, 1))
    manifest = Manifest.load(folder)
    assert manifest.target == spec
    assert [shard.count for shard in manifest.shards] == [2, 1]
    assert Manifest.from_dict(json.loads(json.dumps(manifest.to_dict()))) == manifest
    assert Manifest.load(f"file://{folder}") == manifest


def test_an_older_one_says_what_it_does_not_know(write_shards):
    folder = write_shards()
    values = json.loads((folder / "manifest.json").read_text())
    del values["precision"], values["origins_sha256"], values["sent_bytes"]
    (folder / "manifest.json").write_text(json.dumps(values))
    manifest = Manifest.load(folder)
    assert (manifest.precision, manifest.origins_sha256, manifest.sent_bytes) == ("unknown", None, None)


def test_the_same_pairs_in_other_words(write_shards):
    manifest = Manifest.load(write_shards())
    assert replace(manifest, threat_model="black-box", sent_bytes=7.0).same_pairs(manifest)
    for changes in ({"seed": 5}, {"source": "photos"}, {"augment": "vary"}):
        assert not replace(manifest, **changes).same_pairs(manifest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "fp16"}, "precision='fp16'; allowed: 'bf16', 'fp32' or 'unknown'"),
        ({"sent_bytes": 0}, "sent_bytes=0; allowed: greater than 0"),
        ({"sent_bytes": "4"}, "sent_bytes='4'; allowed: a valid number"),
        ({"origins_sha256": "x"}, "origins_sha256='x'; allowed: match pattern"),
        ({"schema_version": 2}, "schema_version=2; allowed: 1"),
        ({"num_pairs": "8"}, "num_pairs='8'; allowed: a valid integer"),
        ({"num_pairs": True}, "num_pairs=True; allowed: a valid integer"),
        ({"num_pairs": 9}, "num_pairs=9, but the shards hold 8"),
        ({"split": "test"}, "split='test'; allowed: 'train', 'dev' or 'val'"),
        ({"feature_dtype": "int8"}, "feature_dtype='int8'; allowed: 'float16' or 'float32'"),
        ({"feature_std": [1.0, 1.0]}, "feature_std holds 2 values; needed: 3"),
        ({"feature_mean": [1.0, 1.0, float("nan")]}, "feature_mean.2=nan; allowed: a finite number"),
        ({"extra": 1}, "unknown keys \\['extra'\\]"),
        ({"shards": [{"name": "a.tar", "count": 8}]}, "key shards.0.sha256 is missing"),
        ({"shards": [{"name": "pipe:cat x.tar", "count": 8, "sha256": "0" * 64}]}, "shard name 'pipe:cat x.tar'"),
    ],
)
def test_load_refuses_what_breaks_the_schema(write_shards, changes, message):
    folder = write_shards()
    edit(folder, **changes)
    with pytest.raises(ValueError, match=message) as error:
        Manifest.load(folder)
    assert str(folder / "manifest.json") in str(error.value)


@pytest.mark.parametrize(
    ("split", "files"),
    [
        ("train", "prepare.yaml"),
        ("dev", "prepare.yaml prepare_dev.yaml"),
        ("val", "prepare.yaml prepare_val.yaml"),
    ],
)
def test_a_missing_split_names_the_command_that_writes_it(tmp_path, split, files):
    command = f"`inverter prepare {files} target.layer=... output={tmp_path}`"
    with pytest.raises(ValueError, match=re.escape(f"has no manifest.json; write the pairs with {command} first")):
        Manifest.load(tmp_path / split)


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"has no manifest.json"):
        Manifest.load(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="no valid JSON"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(
    "name", ["../a.tar", "a/b.tar", "/a.tar", "a..b.tar", "pipe:ls.tar", "s3://b/a.tar", "a.zip", ""]
)
def test_shard_names_are_plain(name):
    with pytest.raises(ValueError, match="plain file name"):
        check_shard_name(name)
    check_shard_name("pairs-000000.tar")


def test_verify_finds_a_changed_and_a_missing_shard(write_shards):
    folder = write_shards()
    manifest = Manifest.load(folder)
    manifest.verify(folder)
    shard = folder / "pairs-000001.tar"
    data = bytearray(shard.read_bytes())
    data[600] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ValueError, match=r"pairs-000001.tar: SHA-256 is"):
        manifest.verify(folder)
    shard.unlink()
    with pytest.raises(ValueError, match=r"pairs-000001.tar of manifest.json is missing"):
        manifest.verify(folder)
