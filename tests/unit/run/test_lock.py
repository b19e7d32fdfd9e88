import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inverter.audit.config import AuditConfig
from inverter.config import EvaluateConfig, PublishConfig, load_config
from inverter.lab.bench.config import BenchConfig
from inverter.lab.stages import bench
from inverter.run.lock import LOCK, locked
from inverter.stages import audit, evaluate, invert, prepare, publish, train
from inverter.whitebox.config import InvertConfig

HOLD = """
import fcntl, sys
stream = open(sys.argv[1], "a+")
fcntl.lockf(stream, fcntl.LOCK_EX)
print("process 7 on elsewhere", file=stream, flush=True)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Function that has another process take a folder's lock, and returns that process."""
    holders = []

    def take(folder: Path) -> subprocess.Popen:
        folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-c", HOLD, str(folder / LOCK)]
        holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        holders.append(holder)
        assert holder.stdout.readline() == "held\n"
        return holder

    yield take
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_one_run_at_a_time_and_a_killed_one_is_no_hindrance(tmp_path, hold):
    folder = tmp_path / "new" / "run"
    holder = hold(folder)
    message = f"output: {folder} is in use by process 7 on elsewhere; wait for it or choose another output"
    with pytest.raises(ValueError) as refused, locked(folder):
        raise AssertionError("two runs in one folder")
    assert str(refused.value) == message
    holder.kill()
    holder.wait()
    with locked(folder):
        assert (folder / LOCK).read_text().startswith(f"process {os.getpid()} on ")
    assert list(folder.iterdir()) == []


def test_the_lock_goes_with_an_error_too(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path):
            raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_holder_removed_it_meanwhile_is_not_held(tmp_path, monkeypatch):
    """Between opening the file and locking it, its holder may end; a third run would make a new file and lock that."""
    monkeypatch.setattr("fcntl.lockf", lambda *_: (tmp_path / LOCK).unlink())
    with pytest.raises(ValueError, match="is in use by another run"), locked(tmp_path):
        raise AssertionError


def test_of_several_processes_the_first_holds_it(tmp_path, monkeypatch, hold):
    hold(tmp_path)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with locked(tmp_path):
        pass


def test_a_second_training_is_refused_and_changes_nothing(tmp_path, train_config, hold):
    hold(tmp_path / "run")
    with pytest.raises(ValueError, match="run is in use by process 7 on elsewhere"):
        train.run(train_config(tmp_path / "run"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]


def test_a_second_preparation_is_refused_and_changes_nothing(tmp_path, hold):
    config = prepare.PrepareConfig(output=str(tmp_path), pairs=2)
    hold(tmp_path / "train")
    with pytest.raises(ValueError, match="train is in use by process 7 on elsewhere"):
        prepare.run(config)
    assert [path.name for path in (tmp_path / "train").iterdir()] == [LOCK]


@pytest.mark.parametrize("stage", ["evaluate", "audit", "bench", "invert", "publish"])
def test_a_second_run_of_the_other_stages_is_refused(
    stage, tmp_path, hold, tiny_published, tiny_prior_folder, tiny_shards
):
    output = f"output={tmp_path / 'out'}"
    pairs = shutil.copytree(tiny_shards / "dev", tmp_path / "pairs" / "val").parent
    published = [f"inverter={tiny_published}", f"prior={tiny_prior_folder}", f"data={pairs}", "device=cpu"]
    started = {
        "evaluate": lambda: evaluate.run(load_config(EvaluateConfig, [], [*published, output])),
        "audit": lambda: audit.run(
            load_config(AuditConfig, ["audit.yaml"], [f"data.path={tmp_path}/{{layer}}", "num_layers=1", output])
        ),
        "bench": lambda: bench.run(load_config(BenchConfig, ["bench.yaml"], [output])),
        "invert": lambda: invert.run(load_config(InvertConfig, [], ["input=x.npy", output])),
        "publish": lambda: publish.run(PublishConfig(run="run", name="toy", output=str(tmp_path / "out"))),
    }
    hold(tmp_path / "out")
    with pytest.raises(ValueError, match="out is in use by process 7 on elsewhere"):
        started[stage]()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [LOCK]
