import os
import pickle
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import fsspec

from inverter.data.datamodule import pair_loader
from inverter.data.workers import worker_options

READ = """
import sys
from multiprocessing import active_children
from inverter.data.datamodule import pair_loader

if __name__ == "__main__":
    batches = iter(pair_loader(sys.argv[1], 1, num_workers=2))
    next(batches)
    print(*[child.pid for child in active_children()], flush=True)
    sys.stdin.read()
"""


def parent_of(process: int) -> int:
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("PPid:")]
    return int(line.split()[1])


def running(process: int) -> bool:
    status = Path(f"/proc/{process}/status")
    return status.is_file() and "\nState:\tZ" not in status.read_text()


def test_reading_processes_are_no_copies_of_this_one(write_shards):
    batches = iter(pair_loader(write_shards((4, 3)), 2, num_workers=2))
    assert next(batches)["key"] == ["pair-0", "pair-1"]
    parents = {parent_of(child.pid) for child in active_children()}
    assert len(parents) == 1 and os.getpid() not in parents


def test_they_take_over_environment_and_file_systems(monkeypatch):
    """Those of now: the process that they are copied from may be older."""
    monkeypatch.setenv("SET_LATER", "7")
    monkeypatch.setitem(fsspec.config.conf, "memory", {"later": 7})
    take_over = pickle.loads(pickle.dumps(worker_options(1)["worker_init_fn"]))
    monkeypatch.setenv("SET_LATER", "8")
    monkeypatch.setenv("SET_AFTERWARDS", "9")
    monkeypatch.setitem(fsspec.config.conf, "memory", {})
    take_over(0)
    assert os.environ["SET_LATER"] == "7" and "SET_AFTERWARDS" not in os.environ
    assert fsspec.config.conf["memory"] == {"later": 7}


def test_they_end_with_a_killed_parent(write_shards, tmp_path):
    (tmp_path / "read.py").write_text(READ)
    words = [sys.executable, str(tmp_path / "read.py"), str(write_shards((4, 3)))]
    reader = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    workers = [int(word) for word in reader.stdout.readline().split()]
    assert len(workers) == 2 and all(map(running, workers))
    reader.send_signal(signal.SIGKILL)
    reader.communicate()
    until = time.monotonic() + 20
    while any(map(running, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(running, workers))
