import io

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image

from inverter.config import TableConfig
from inverter.data.table import VectorTable

VECTORS = np.random.default_rng(0).normal(size=(2500, 6)).astype(np.float32)


def png(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(stream, "PNG")
    return stream.getvalue()


def columns(kind=None, dtype="float32") -> pa.Table:
    vectors = pa.array(list(VECTORS.astype(dtype)), kind or pa.list_(pa.from_numpy_dtype(dtype)))
    return pa.table({"id": np.arange(2500), "vec": vectors, "path": [f"{n}.png" for n in range(2500)]})


def read(table: VectorTable) -> np.ndarray:
    return np.concatenate([rows.vectors for rows in table.rows()])


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "fixed", "large"])
@pytest.mark.parametrize("suffix", ["parquet", "feather", "arrow", "stream.arrow"])
def test_every_kind_of_file_gives_the_same_vectors(tmp_path, suffix, kind):
    types = {"fixed": pa.list_(pa.float32(), 6), "large": pa.large_list(pa.float32())}
    table = columns(types.get(kind), "float32" if kind in types else kind)
    path = tmp_path / f"x.{suffix}"
    if suffix == "parquet":
        pyarrow.parquet.write_table(table, path, row_group_size=700)
    elif suffix == "feather":
        pyarrow.feather.write_feather(table, path, compression="lz4")
    else:
        opened = pa.ipc.new_stream if suffix.startswith("stream") else pa.ipc.new_file
        with opened(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=1500)
    found = VectorTable(path, TableConfig(picture="path", label="id"))
    np.testing.assert_allclose(read(found), VECTORS, rtol=2e-3, atol=1e-3)
    assert (found.num_rows, found.width, found.vector) == (2500, 6, "vec")
    parts = list(found.rows())
    assert max(len(rows.vectors) for rows in parts) <= 1024  # never all of them
    assert [row for rows in parts for row in rows.labels] == list(range(2500))
    assert (parts[-1].start, parts[-1].pictures[-1]) == (2500 - len(parts[-1].vectors), "2499.png")


def test_npy(tmp_path):
    np.save(tmp_path / "x.npy", VECTORS)
    assert np.array_equal(read(VectorTable(tmp_path / "x.npy")), VECTORS)


@pytest.mark.parametrize(("num_rows", "num_parts"), [(1, 1), (1024, 1), (1025, 2), (2048, 2), (2500, 3), (9999, 3)])
def test_no_part_behind_the_rows_that_are_asked_for_is_read(tmp_path, monkeypatch, num_rows, num_parts):
    np.save(tmp_path / "x.npy", VECTORS)
    table, parts = VectorTable(tmp_path / "x.npy"), []
    monkeypatch.setattr(table, "_read", lambda: (parts.append(part) or part for part in VectorTable._read(table)))
    vectors, labels = table.read(num_rows)
    assert np.array_equal(vectors, VECTORS[:num_rows]) and labels is None
    assert len(parts) == num_parts


def test_whether_vectors_are_normalised_is_told_from_them(tmp_path):
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    np.save(tmp_path / "unit.npy", unit.astype(np.float16))
    np.save(tmp_path / "raw.npy", VECTORS)
    table = VectorTable(tmp_path / "unit.npy")
    assert table.normalised
    assert table.describe() == "vectors of 6 numbers, of length 1 (L2-normalised) in the first 1024 rows"
    assert not VectorTable(tmp_path / "raw.npy").normalised


def test_pictures_as_datasets_keeps_them(tmp_path):
    pictures = [{"bytes": png("red"), "path": None}, {"bytes": None, "path": "b.png"}]
    table = pa.table({"vector": [[1.0, 2.0], [3.0, 4.0]], "image": pictures})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    (rows,) = VectorTable(tmp_path / "x.parquet", TableConfig(picture="image")).rows()
    assert rows.pictures == [png("red"), "b.png"]
