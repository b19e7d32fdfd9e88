import io

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inverter.config import TableConfig
from inverter.data.table import VectorTable

OPTIONS = {"npy": TableConfig()}
COLUMNS = TableConfig(picture="path", label="label")


def valid(kind: str) -> bytes:
    vectors = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    table, stream = pa.table({"v": list(vectors), "path": ["a"] * 9, "label": range(9)}), io.BytesIO()
    if kind == "parquet":
        pyarrow.parquet.write_table(table, stream)
    elif kind == "feather":
        pyarrow.feather.write_feather(table, stream, compression="uncompressed")
    elif kind == "arrow":
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
    else:
        np.save(stream, vectors)
    return stream.getvalue()


FILES = {kind: valid(kind) for kind in ("parquet", "feather", "arrow", "npy")}


@pytest.mark.parametrize("kind", FILES)
@given(data=st.data())
def test_bytes(kind, tmp_path_factory, damaged, only_value_errors, data):
    path = tmp_path_factory.getbasetemp() / f"x.{kind}"
    path.unlink(missing_ok=True)  # what is mapped into memory is not written over
    path.write_bytes(data.draw(damaged(FILES[kind])))
    only_value_errors(lambda: list(VectorTable(path, OPTIONS.get(kind, COLUMNS)).rows()))


@pytest.mark.parametrize("kind", FILES)
def test_the_valid_one_is_read(kind, tmp_path):
    (tmp_path / f"x.{kind}").write_bytes(FILES[kind])
    assert VectorTable(tmp_path / f"x.{kind}", OPTIONS.get(kind, COLUMNS)).num_rows == 9
