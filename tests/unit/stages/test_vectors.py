import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from inverter.__main__ import main
from inverter.config import TableConfig, VectorsConfig
from inverter.data.table import VectorTable
from inverter.run.status import LIMIT_EXCEEDED
from inverter.stages import vectors


@pytest.fixture
def table(tmp_path):
    values = np.random.default_rng(0).normal(size=(90, 16)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    pyarrow.parquet.write_table(pa.table({"v": list(values), "class": np.arange(90) % 3}), tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


def test_a_row_a_payload_and_the_same_as_json(table, tmp_path, capsys):
    words = [f"features={table}", "table.label=class", "payloads=[identity,truncate:8+int8]", "rows=80", "queries=40"]
    assert main(["vectors", *words, f"output={tmp_path / 'out'}"]) == 0
    printed = capsys.readouterr().out
    assert "80 rows, vectors of 16 numbers, of length 1 (L2-normalised) in the first 90 rows; n=40" in printed
    found = json.loads((tmp_path / "out" / "vectors.json").read_text())
    assert (found["rows"], found["k"]) == (80, 10)
    identity, cut = found["scores"]
    assert (identity["recall"]["mean"], identity["num_bytes"]) == (1, 64)
    assert (cut["payload"], cut["num_bytes"]) == ("truncate:8+int8", 12)
    assert f"{cut['recall']['mean']:.3f} [{cut['recall']['low']:.3f}, {cut['recall']['high']:.3f}]" in printed


@pytest.mark.parametrize(
    ("limits", "exceeds"),
    [
        ({"min_recall": 0.5}, []),
        ({"min_recall": 0.999}, ["min_recall"]),
        ({"max_linked": 0.5}, ["max_linked"]),
        ({"max_label": 1.0}, []),
        ({"min_recall": 0.0, "queries": 19}, ["min_recall"]),  # too few to keep a limit
    ],
)
def test_limits_are_kept_by_the_worse_end_of_the_interval(table, tmp_path, limits, exceeds):
    config = VectorsConfig(features=str(table), table=TableConfig(label="class"), output=str(tmp_path / "out"))
    config.payloads, config.num_bootstrap = ["identity", "int8"], 50
    for key, value in limits.items():
        setattr(config, key, value)
    if exceeds:
        with pytest.raises(SystemExit) as ended:
            vectors.run(config)
        assert ended.value.code == LIMIT_EXCEEDED
    else:
        vectors.run(config)
    scores = json.loads((tmp_path / "out" / "vectors.json").read_text())["scores"]
    assert [score["exceeds"] for score in scores] == [[], exceeds]


def test_what_is_not_allowed(table):
    for key, value, message in (
        ("min_recall", 1.5, "min_recall is 1.5; allowed: 0 to 1"),
        ("max_label", 0.5, "max_label is 0.5; allowed: with table.label"),
        ("rows", 1, "rows is 1, payloads"),
        ("k", 90, "k is 90; allowed: 1 to 89"),
    ):
        config = VectorsConfig(features=str(table))
        setattr(config, key, value)
        with pytest.raises(ValueError, match=message):
            vectors.run(config)


def test_as_many_rows_as_asked_for_whatever_the_size_of_batches(tmp_path):
    values = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    whole = pa.table({"v": list(values), "class": np.arange(90)})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, whole.schema) as writer:
        writer.write_table(whole, max_chunksize=7)
    table = VectorTable(tmp_path / "x.arrow", TableConfig(label="class"))
    for asked, wanted in ((30, 30), (28, 28), (1000, 90)):
        read, labels = table.read(asked)
        np.testing.assert_array_equal(read, values[:wanted])
        assert labels.tolist() == list(range(wanted))
