from types import SimpleNamespace

import pytest
import torch

from inverter.run.callbacks import speed
from inverter.run.callbacks.speed import GIB, Speed, peak_bytes
from inverter.run.memory import peak_memory


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves."""
    now = [50.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def test_speed_counts_all_processes_and_leaves_validation_out(clock, monkeypatch):
    monkeypatch.setattr(speed, "peak_memory", lambda: 3 * GIB)
    logged = []
    module = SimpleNamespace(device=torch.device("cpu"), log_dict=logged.append)
    trainer = SimpleNamespace(world_size=2, global_step=0, log_every_n_steps=2)
    callback = Speed()
    callback.on_train_start(trainer, module)
    for step in range(1, 5):
        clock(2)
        trainer.global_step = step
        callback.on_train_batch_end(trainer, module, None, {"key": ["a"] * 6}, 0)
        if step in (1, 2):
            callback.on_validation_start(trainer, module)
            clock(100)
            callback.on_validation_end(trainer, module)
    assert logged == [{"train/images_per_second": 6.0, "train/peak_memory_gib": 3.0}] * 2


def test_memory_is_the_process_on_a_cpu_and_the_allocator_on_a_gpu(monkeypatch):
    assert 0 < peak_bytes(torch.device("cpu")) <= peak_memory()
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7 if device.index == 1 else 0)
    assert peak_bytes(torch.device("cuda", 1)) == 7
