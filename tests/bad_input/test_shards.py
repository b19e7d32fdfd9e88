"""Pair shards and their manifest, from somebody else or damaged."""

import io
import json
import shutil
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inverter.data.image_dataset import ImageShardDataset
from inverter.data.manifest import Manifest
from inverter.data.origins import Origins, check_disjoint
from inverter.data.pair_codec import MEMBERS
from inverter.data.reader import PairDataset, collate_pairs
from inverter.data.sources.tar import TarSource
from inverter.evaluation.pairs import EvaluationPairs

SHARD = "pairs-000000.tar"


@pytest.fixture
def folder(tiny_shards, tmp_path) -> Path:
    """A copy of the dev pairs that a test may damage; the keys are dev-0 to dev-4."""
    return Path(shutil.copytree(tiny_shards / "dev", tmp_path / "dev"))


def read(folder: Path) -> dict:
    dataset = PairDataset(folder)
    return collate_pairs([dataset[number] for number in range(len(dataset))])


def edit_manifest(folder: Path, **changes: object) -> None:
    values = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**values, **changes}))


def rewrite(folder: Path, change: dict[str, bytes | str | None], more: dict[str, bytes] | None = None) -> None:
    """Give members other contents (bytes), another name (str) or none at all; then append others."""
    entries: list[tuple[str, bytes]] = []
    with tarfile.open(folder / SHARD) as tar:
        for entry in tar:
            name, data = entry.name, tar.extractfile(entry).read()
            now = change.get(name, data)
            if now is not None:
                entries.append((now, data) if isinstance(now, str) else (name, now))
    with tarfile.open(folder / SHARD, "w") as tar:
        for name, data in [*entries, *(more or {}).items()]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def npy(array: np.ndarray, dtype: str = "<f4", shape: str | None = None, header: str | None = None) -> bytes:
    text = header or f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape or array.shape}, }}"
    padded = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + array.tobytes()


def header(name: str, kind: bytes, size: int) -> bytes:
    """One header of a tar, its data not included; ``tarfile`` writes sizes that it would not read."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


LONG_NAME = header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 2) + b"a".ljust(512, b"\0")
HOSTILE = [
    ("a tar of nested headers", LONG_NAME * 3000 + header("a.png", tarfile.REGTYPE, 0)),
    ("a tar with a member of negative size", header("a.png", tarfile.REGTYPE, -1)),
    ("a tar with a member beyond any disk", header("a.png", tarfile.REGTYPE, 2**80)),
    ("a tar with a header beyond any memory", header("a.png", tarfile.GNUTYPE_LONGNAME, 2**60)),
]


@pytest.mark.parametrize(("what", "data"), HOSTILE)
def test_hostile_headers(folder, refused, what, data):
    (folder / SHARD).write_bytes(data)
    refused(what, lambda: PairDataset(folder))
    with pytest.raises(ValueError, match=r"shard .*pairs-000000\.tar is no uncompressed tar: "):
        ImageShardDataset(str(folder / SHARD), 8)
    with pytest.raises(ValueError, match=r"pairs-000000\.tar(:| cannot be read:)"):
        list(TarSource(str(folder / SHARD), 8).shard(0))


FEATURES = np.linspace(-1, 1, 6 * 5 * 7, dtype=np.float32).reshape(6, 5, 7)
NAN, INFINITE = FEATURES.copy(), FEATURES.copy()
NAN[1, 2, 3], INFINITE[1, 2, 3] = np.nan, np.inf


@pytest.mark.parametrize(
    ("what", "keep"),
    [
        ("a shard cut off inside a member", 2000),
        ("a shard cut off inside a header", 0.5),
        ("an empty shard", 0),
    ],
)
def test_truncated(folder, refused, what, keep):
    data = (folder / SHARD).read_bytes()
    if keep == 0.5:
        with tarfile.open(folder / SHARD) as tar:
            keep = tar.getmember("dev-3.png").offset + 100
    (folder / SHARD).write_bytes(data[:keep])
    refused(what, lambda: read(folder))


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        ("a shard that is no tar", lambda data: b"\x89PNG" * 1000),
        ("a compressed shard", lambda data: __import__("gzip").compress(data)),
        ("a shard whose header is damaged", lambda data: data[:150] + b"\xff" + data[151:]),
    ],
)
def test_corrupt(folder, refused, what, damage):
    (folder / SHARD).write_bytes(damage((folder / SHARD).read_bytes()))
    refused(what, lambda: read(folder))


def test_a_flipped_bit_is_found_by_the_checksum(folder, refused, target_spec):
    folder = folder.rename(folder.with_name("val"))
    with tarfile.open(folder / SHARD) as tar:
        offset = tar.getmember("dev-1.features.npy").offset_data + 200
    data = bytearray((folder / SHARD).read_bytes())
    data[offset] ^= 1
    (folder / SHARD).write_bytes(data)
    find = partial(EvaluationPairs.find, folder.parent, "inverter 'toy'", target_spec)
    refused("a shard with a flipped bit, when evaluated", find)


@pytest.mark.parametrize(
    ("what", "change", "more"),
    [
        ("a pair without a member", {"dev-1.features.npy": None}, {}),
        ("fewer pairs than the manifest says", dict.fromkeys(f"dev-4.{member}" for member in MEMBERS), {}),
        ("a member that occurs twice", {}, {"dev-1.png": b""}),
        ("`../` in a key", {"dev-1.png": "../dev-1.png"}, {}),
        ("a folder in a key", {"dev-1.json": "/tmp/dev-1.json"}, {}),
        ("a picture that is no PNG", {"dev-1.png": b"GIF89a"}, {}),
        ("a pair's json that is no JSON", {"dev-1.json": b"{"}, {}),
        ("a pair's json without a key", {"dev-1.json": b'{"text": ""}'}, {}),
        ("a pair's json nested too deeply", {"dev-1.json": b"[" * 100_000}, {}),
    ],
)  # fmt: skip
def test_members(folder, refused, what, change, more):
    rewrite(folder, change, more)
    refused(what, lambda: read(folder))


def test_a_surplus_pair(folder, refused):
    with tarfile.open(folder / SHARD) as tar:
        more = {e.name.replace("dev-0", "dev-9"): tar.extractfile(e).read() for e in tar if e.name.startswith("dev-0")}
    rewrite(folder, {}, more)
    refused("more pairs than the manifest says", lambda: read(folder))


def test_other_members_are_ignored(folder, payload):
    rewrite(folder, {}, {"dev-1.pyd": payload, "dev-1.pickle": payload, "README": b""})
    assert len(read(folder)["key"]) == 5


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("a label beyond 64 bits", {"label": 2**64}),
        ("a caption that is no text", {"text": 5}),
        ("a group that is no Unicode", {"group": "\ud800"}),
    ],
)
def test_meta(folder, refused, what, values):
    meta = {"text": "", "label": 0, "group": "", "clip": "", "frame": -1, **values}
    rewrite(folder, {"dev-1.json": json.dumps(meta).encode()})
    refused(what, lambda: read(folder))


def test_a_picture_larger_than_the_manifest_says_is_not_decoded(folder, refused, monkeypatch):
    stream = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(stream, "PNG")
    rewrite(folder, {"dev-1.png": stream.getvalue()})
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    refused("a picture of another size than the manifest says", lambda: PairDataset(folder)[1])


EVAL = "{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('pathlib').Path('executed').touch(),), }"


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("an array of Python objects", npy(np.array([], dtype=np.float32), dtype="|O", shape="(1,)")),
        ("an array of integers", npy(np.zeros((6, 5, 7), dtype=np.int64), dtype="<i8")),
        ("an array whose shape is huge", npy(FEATURES, shape="(4611686018427387904, 4)")),
        ("an array whose shape is negative", npy(FEATURES, shape="(-6, -5, 7)")),
        ("an array whose header is code", npy(FEATURES, header=EVAL)),
        ("an array whose header is endless", b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{" + b"(" * 5000),
        ("an array followed by other bytes", npy(FEATURES) + b"\x00" * 8),
        ("an array that is cut off", npy(FEATURES)[:-8]),
        ("an array that is an archive", b"PK\x03\x04" + b"\x00" * 100),
        ("features with NaN in a shard", npy(NAN)),
        ("infinite features in a shard", npy(INFINITE)),
        ("features of another shape than the manifest says", npy(FEATURES.transpose(0, 2, 1).copy())),
        ("features of another type than the manifest says", npy(FEATURES.astype(np.float16), dtype="<f2")),
    ],
)  # fmt: skip
def test_features(folder, refused, what, data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    rewrite(folder, {"dev-1.features.npy": data})
    refused(what, lambda: read(folder))


def test_a_pickle_is_no_array(folder, refused, payload):
    rewrite(folder, {"dev-1.features.npy": payload})
    refused("a pickle in place of an array", lambda: read(folder))


def test_latents_of_another_shape(folder, refused):
    rewrite(folder, {"dev-1.latents.npy": npy(np.zeros((4, 8, 9), dtype=np.float16), dtype="<f2")})
    refused("latents of another shape than the other pairs'", lambda: read(folder))


def test_fortran_order_is_read_as_it_is(folder):
    data = io.BytesIO()
    np.save(data, np.asfortranarray(FEATURES))
    assert b"'fortran_order': True" in data.getvalue()
    rewrite(folder, {"dev-1.features.npy": data.getvalue()})
    np.testing.assert_array_equal(read(folder)["features"][1], FEATURES)


def test_a_bad_pair_in_a_reading_process_is_one_line_too(folder, run, refused_by_command, tmp_path):
    rewrite(folder, {"dev-1.features.npy": npy(FEATURES) + b"more"})
    shutil.copytree(folder, tmp_path / "train")
    edit_manifest(tmp_path / "train", split="train", shards=[{"name": SHARD, "count": 5, "sha256": "0" * 64}])
    words = ["train", str(run / "train.yaml"), f"data.path={tmp_path}", f"output={tmp_path / 'out'}"]
    refused_by_command("an array followed by other bytes", [*words, "data.num_workers=1"])


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a manifest that is no JSON", "{"),
        ("a manifest that is no object", "[]"),
        ("a manifest nested too deeply", "[" * 100_000),
    ],
)
def test_manifest_text(folder, refused, what, text):
    (folder / "manifest.json").write_text(text)
    refused(what, lambda: PairDataset(folder))


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("a manifest of another version", {"schema_version": 2}),
        ("a manifest with a surplus key", {"pickle": "gASVAAAA"}),
        ("a manifest with a value of another type", {"num_pairs": "5"}),
        ("a `pipe:` URL as shard name", {"shards": [{"name": "pipe:touch executed", "count": 5, "sha256": "0" * 64}]}),
        ("`../` in a shard name", {"shards": [{"name": "../pairs-000000.tar", "count": 5, "sha256": "0" * 64}]}),
        ("a shard that is not there", {"shards": [{"name": "other.tar", "count": 5, "sha256": "0" * 64}]}),
    ],
)
def test_manifest_values(folder, refused, what, changes, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    edit_manifest(folder, **changes)
    refused(what, lambda: PairDataset(folder))


def test_manifest_without_a_key(folder, refused):
    values = json.loads((folder / "manifest.json").read_text())
    del values["threat_model"]
    (folder / "manifest.json").write_text(json.dumps(values))
    refused("a manifest without a key", lambda: PairDataset(folder))


@pytest.mark.parametrize("key", ["split", "seed", "feature_dtype", "x" * 1000])
def test_a_huge_value_does_not_make_a_huge_message(folder, key):
    edit_manifest(folder, **{key: "x" * 10_000_000})
    with pytest.raises(ValueError) as caught:
        PairDataset(folder)
    assert len(str(caught.value)) < 1500


def test_no_manifest(tmp_path, refused):
    refused("a folder without a manifest", lambda: PairDataset(tmp_path))
    (tmp_path / "manifest.json").mkdir()
    refused("a manifest that cannot be opened", lambda: PairDataset(tmp_path))


def test_origins(tiny_shards, tmp_path, refused):
    folder = Path(shutil.copytree(tiny_shards, tmp_path / "pairs"))
    for split, name in (("train", "a"), ("dev", "b")):
        origins = Origins({"0" * 16: name})
        origins.save(folder / split)
        replace(Manifest.load(folder / split), origins_sha256=origins.sha256()).save(folder / split)
    refused("splits that share pictures", lambda: check_disjoint(folder / "train", folder / "dev"))
    Origins().save(folder / "dev")
    refused("origins.json of another split", lambda: check_disjoint(folder / "train", folder / "dev"))
