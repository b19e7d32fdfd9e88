import csv
import json
import struct
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from inverter.run.loggers import LOGGERS, build_loggers, log_picture, run_id
from inverter.stages import train


@pytest.fixture(scope="module")
def run(train_config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps, then two more of the same run, with every logger at once."""
    output = tmp_path_factory.mktemp("run") / "run"
    for max_steps in (2, 4):
        config = train_config(output, max_steps=max_steps)
        config.trainer.loggers = list(LOGGERS)
        train.run(config)
    return output


def wandb_history(folder: Path) -> list[dict]:
    """Rows of an offline run's ``.wandb`` file, LevelDB's log format, which is what a later sync sends."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("*.wandb")
    data, position, content, rows = path.read_bytes(), 7, b"", []
    while position + 7 <= len(data):
        if (left := 2**15 - position % 2**15) < 7:
            position += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, position)
        content += data[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record.FromString(content)
            if record.WhichOneof("record_type") == "history":
                row = {(x.key or ".".join(x.nested_key)): json.loads(x.value_json) for x in record.history.item}
                rows.append({**row, "_step": record.history.step.num})
            content = b""
    return rows


def test_wandb_keeps_pictures_and_steps_of_a_resumed_run_for_a_later_sync(run):
    parts = sorted((run / "wandb").glob("offline-run-*"), key=lambda part: part.stat().st_mtime)
    assert len(parts) == 2
    assert {part.name.rpartition("-")[2] for part in parts} == {run_id(run)}
    histories = [wandb_history(part) for part in parts]
    steps = [[row["_step"] for row in history] for history in histories]
    assert [row for part in steps for row in part] == sorted({row for part in steps for row in part})
    assert steps[0][-1] < steps[1][0]
    shown = []
    for part, history in zip(parts, histories, strict=True):
        for row in history:
            if names := row.get("dev/reconstructions.filenames"):
                shown.append(row["_step"])
                assert all((part / "files" / name).is_file() for name in names)
        assert any("dev/psnr" in row for row in history)
    assert shown == [1, 2, 3, 4]


def test_curves_of_a_resumed_run_lie_beside_the_first(run):
    rows = [list(csv.DictReader((run / "logs" / f"version_{part}" / "metrics.csv").open())) for part in range(2)]
    steps = [{int(row["step"]) for row in part if row["dev/psnr"]} for part in rows]
    assert min(steps[1]) > min(steps[0]) and all(float(row["dev/psnr"]) > 0 for row in rows[0] if row["dev/psnr"])


def test_tensorboard_gets_the_pictures_of_both_parts(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"), {"images": 0})
    events.Reload()
    assert {image.step for image in events.Images("dev/reconstructions")} == {1, 2, 3, 4}


def test_loggers_by_name(tmp_path):
    csv_logger, tensorboard = build_loggers(["csv", "tensorboard"], tmp_path)
    assert isinstance(csv_logger, CSVLogger) and Path(csv_logger.log_dir) == tmp_path / "logs" / "version_0"
    assert isinstance(tensorboard, TensorBoardLogger) and Path(tensorboard.log_dir) == tmp_path / "tensorboard"
    with pytest.raises(ValueError, match=r"trainer.loggers holds 'mlflow'; allowed: csv, tensorboard, wandb"):
        build_loggers(["csv", "mlflow"], tmp_path)
    with pytest.raises(ValueError, match=r"trainer.wandb_mode is 'on'; allowed: offline, online"):
        build_loggers(["wandb"], tmp_path, "on")


@pytest.mark.parametrize(("mode", "offline"), [("offline", True), ("online", False)])
def test_wandb_goes_on_with_the_run_of_its_id(tmp_path, mode, offline):
    (logger,) = build_loggers(["wandb"], tmp_path, mode)  # begins no run before the first value
    assert logger._offline is offline
    assert (logger._wandb_init["id"], logger._wandb_init["resume"]) == (run_id(tmp_path), "allow")


def test_a_logger_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"trainer.loggers holds 'wandb', which is not installed; pip install"):
        build_loggers(["wandb"], tmp_path)


def test_loggers_without_pictures_are_left_alone(tmp_path):
    log_picture(CSVLogger(tmp_path), "dev/reconstructions", torch.zeros(3, 4, 4), 1)
    assert not list(tmp_path.rglob("*.png"))


def test_a_run_has_one_id(tmp_path):
    assert run_id(tmp_path / "a") == run_id(tmp_path / "a") != run_id(tmp_path / "b")
