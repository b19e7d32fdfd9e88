"""Tables of vectors, given to `prepare`."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image

from inverter.config import TableConfig
from inverter.data.captured_target import CapturedTarget
from inverter.data.sources.captured import read_spec
from inverter.data.sources.table import TableSource
from inverter.data.table import VectorTable

VECTORS = [[1.0, 2.0], [3.0, 4.0]]
NONE = TableConfig()
WRONG = [
    ("vectors of several lengths", [*VECTORS, [1.0, 2.0, 3.0]]),
    ("a row without a vector", [[1.0, 2.0], None]),
    ("vectors of no numbers", [[], [1.0]]),
    ("a vector with NaN", [[1.0, 2.0], [np.nan, 0.0]]),
    ("a vector without one of its numbers", [[1.0, 2.0], [None, 0.0]]),
]


@pytest.fixture
def write(tmp_path):
    """Function that writes columns into ``x.parquet``."""

    def write(**columns):
        pyarrow.parquet.write_table(pa.table(columns), tmp_path / "x.parquet")
        return tmp_path / "x.parquet"

    return write


def drain(source) -> None:
    for index in range(2):
        list(source.shard(index))


def test_columns(refused, write):
    path = write(id=[1, 2], vec=VECTORS, path=["a.png", "b.png"])
    refused("a table without such a column", lambda: VectorTable(path, TableConfig(vector="embedding")))
    refused("a table whose label is no whole number", lambda: VectorTable(path, TableConfig(label="path")))
    refused(
        "a row whose picture is not there", lambda: drain(TableSource(write(v=VECTORS, p=["none.png"] * 2), NONE, 8))
    )
    refused("a table with two columns of vectors", lambda: VectorTable(write(a=VECTORS, b=VECTORS)))


@pytest.mark.parametrize(("what", "vectors"), WRONG)
def test_vectors(refused, write, what, vectors):
    path = write(vec=pa.array(vectors, pa.list_(pa.float32())))
    refused(what, lambda: list(VectorTable(path).rows()))


def test_pictures(refused, write, tmp_path):
    refused("a table without pictures", lambda: TableSource(write(vec=VECTORS), NONE, 8))
    refused(
        "a table with two columns of pictures", lambda: TableSource(write(v=VECTORS, a=["", ""], b=["", ""]), NONE, 8)
    )
    refused("a row without a picture", lambda: drain(TableSource(write(vec=VECTORS, path=["a.png", None]), NONE, 8)))
    refused("a row whose picture is none", lambda: drain(TableSource(write(vec=VECTORS, jpg=[b"GIF89a"] * 2), NONE, 8)))
    np.save(tmp_path / "x.npy", np.ones((3, 2), np.float32))
    (tmp_path / "pictures").mkdir()

    Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / "a.png")
    refused("more rows than pictures", lambda: TableSource(tmp_path / "x.npy", NONE, 8, folder=tmp_path / "pictures"))


def test_files(refused, write, tmp_path):
    refused("an empty table", lambda: VectorTable(write(vec=pa.array([], pa.list_(pa.float32())))))
    path = write(vec=VECTORS)
    path.write_bytes(path.read_bytes()[:-9])
    refused("a table that is cut off", lambda: VectorTable(path))
    (tmp_path / "x.feather").write_bytes(b"nothing of the kind" * 9)
    refused("a table that is none", lambda: VectorTable(tmp_path / "x.feather"))
    refused("a table that is not there", lambda: VectorTable(tmp_path / "none.parquet"))


def test_arrays(refused, tmp_path):
    path = tmp_path / "x.npy"
    for what, array, options in (
        ("an array of vectors of one axis", np.ones(3, np.float32), NONE),
        ("columns of an array", np.ones((3, 2), np.float32), TableConfig(picture="path")),
        ("an array of vectors with infinity", np.array([[1, 2], [np.inf, 3]], np.float32), NONE),
    ):
        np.save(path, array)
        refused(what, lambda options=options: list(VectorTable(path, options).rows()))
    np.save(path, np.array([[{}]]), allow_pickle=True)
    refused("an array of Python objects as table", lambda: VectorTable(path))


def test_payloads(refused, tmp_path):
    spec = read_spec(tmp_path, lambda: (4,))
    sent = replace(spec, payload="fp16")
    refused("vectors sent by another payload", lambda: CapturedTarget(sent, "unknown", "int8"))
    one = replace(spec, feature_shape=(1,))
    refused("the largest number of a vector of one", lambda: CapturedTarget(one, "unknown", "topk:0.5"))
