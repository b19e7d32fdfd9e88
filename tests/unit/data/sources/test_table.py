import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from inverter.config import PrepareConfig, TableConfig, TargetConfig
from inverter.data.manifest import Manifest
from inverter.data.reader import PairDataset
from inverter.data.sources.table import TableSource
from inverter.payloads import make_payload
from inverter.priors.load import load_prior
from inverter.stages import prepare

COLOURS = ["red", "green", "blue", "white", "black"]
VECTORS = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
UNIT = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (9, 9), colour).save(tmp_path / "pictures" / f"{number}.png")
    paths = [f"pictures/{number}.png" for number in range(5)]
    table = pa.table({"vector": list(UNIT), "file": paths, "class": [3, 1, 4, 1, 5]})
    pyarrow.parquet.write_table(table, tmp_path / "paths.parquet", row_group_size=2)
    stream = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(stream, "JPEG")
    pyarrow.parquet.write_table(pa.table({"v": list(VECTORS), "jpg": [stream.getvalue()] * 5}), tmp_path / "b.parquet")
    np.save(tmp_path / "x.npy", VECTORS)
    return tmp_path


def corner(item) -> tuple[int, ...]:
    return item.image.getpixel((0, 0))


def test_rows_meet_their_pictures(folder):
    source = TableSource(folder / "paths.parquet", TableConfig(label="class"), 2)
    items = [item for index in range(3) for item in source.shard(index)]
    assert [corner(item) for item in items][:3] == [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
    assert torch.equal(torch.stack([item.features for item in items]), torch.from_numpy(UNIT))
    assert [item.label for item in items] == [3, 1, 4, 1, 5]
    assert len({item.key for item in items}) == 5
    assert [item.key for item in source.shard(1)] == [item.key for item in items[2:4]]  # any shard, again
    assert (source.spec.name, source.spec.feature_shape) == ("captured", (8,))


def test_a_picture_a_row_where_the_table_has_none(folder):
    source = TableSource(folder / "x.npy", TableConfig(), 8, folder=folder / "pictures")
    items = list(source.shard(0))
    assert [corner(item) for item in items][2] == (0, 0, 255)
    assert np.array_equal(items[4].features, VECTORS[4])
    (folder / "pictures" / "4.png").unlink()
    with pytest.raises(ValueError, match=r"has 5 rows and .* 4 pictures; allowed: a picture a row"):
        TableSource(folder / "x.npy", TableConfig(), 8, folder=folder / "pictures")


def test_a_picture_of_another_size_or_name_is_another_source(folder):
    def listing():
        return TableSource(folder / "x.npy", TableConfig(), 2, folder=folder / "pictures").listing()

    before = listing()
    assert len(before) == 1 + 5 and before == listing()
    (folder / "pictures" / "4.png").rename(folder / "pictures" / "0a.png")  # rows 1 to 4 are of other pictures now
    assert listing() != before


def test_pictures_lie_in_the_table(folder):
    (first, *_) = TableSource(folder / "b.parquet", TableConfig(), 8).shard(0)
    assert corner(first)[0] > 250


def features_of(pairs) -> np.ndarray:
    return np.stack([pair["features"] for pair in PairDataset(pairs)])


@pytest.fixture
def config(folder, stable_diffusion):
    return PrepareConfig(
        prior=str(stable_diffusion("epsilon")),
        source="table",
        features=str(folder / "paths.parquet"),
        output=str(folder / "pairs"),
        feature_dtype="float32",
        device="cpu",
        shard_size=2,
    )


def test_prepare_says_that_vectors_are_normalised(config, folder):
    pairs = prepare.run(config)
    manifest = Manifest.load(pairs)
    assert "the stored vectors of 8 numbers, of length 1 (L2-normalised) in the first 5 rows" in manifest.threat_model
    assert (manifest.num_pairs, manifest.target.payload, manifest.sent_bytes) == (5, "identity", None)
    assert np.array_equal(features_of(pairs), UNIT)
    raw = replace(config, features=str(folder / "b.parquet"), output=str(folder / "raw"))
    assert "of lengths that differ from 1" in Manifest.load(prepare.run(raw)).threat_model


@pytest.mark.parametrize(("payload", "num_bytes"), [("binary", 1), ("truncate:4+int8:0.99:fit", 4), ("pq:2x1:fit", 1)])
def test_stored_vectors_are_sent_by_a_payload(config, payload, num_bytes):
    if payload.startswith("pq"):
        pytest.importorskip("faiss")
    config.target = TargetConfig(payload=payload)
    pairs = prepare.run(config)
    manifest = Manifest.load(pairs)
    assert manifest.sent_bytes == num_bytes
    expected = make_payload(manifest.target.payload)(torch.from_numpy(UNIT))
    assert np.array_equal(features_of(pairs), expected)
    dev = prepare.run(replace(config, split="dev"))
    assert Manifest.load(dev).target.payload == manifest.target.payload
    assert {file.name for file in dev.glob("codebooks*")} == {file.name for file in pairs.glob("codebooks*")}
    assert len(list(pairs.glob("codebooks*"))) == payload.startswith("pq")


def test_a_table_alone_is_the_pictures_of_a_table(config):
    assert load_prior(config.prior).resolution
    with pytest.raises(ValueError, match="source=table is the pictures of a table; allowed: with features"):
        prepare.run(replace(config, features=None))
    with pytest.raises(ValueError, match="source=prior augment=none; with captured features allowed: table or folder"):
        prepare.run(replace(config, source="prior"))
