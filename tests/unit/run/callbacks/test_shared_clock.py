from types import SimpleNamespace

import pytest
import torch

from inverter.run.callbacks import shared_clock
from inverter.run.callbacks.shared_clock import SharedClock


@pytest.mark.parametrize("first", [[60.0, 7.0], [59.0, 8.0]])
def test_the_first_process_decides_when_to_validate(monkeypatch, first):
    """Whatever this process's own clock says, and whatever Lightning compares it with."""
    now = [1000.0]
    monkeypatch.setattr(shared_clock.time, "monotonic", lambda: now[0])
    asked: list[float] = []
    monkeypatch.setattr(shared_clock, "share_numbers", lambda numbers, device: asked.append(numbers[0]) or first)
    trainer = SimpleNamespace(callbacks=[], _last_val_time=0.0)
    module = SimpleNamespace(device=torch.device("cpu"))
    callback = SharedClock(60)
    callback.on_train_start(trainer, module)
    assert callback.elapsed == first[1]
    for seconds in (59, 1):
        now[0] += seconds
        callback.on_train_batch_end(trainer, module, None, {}, 0)
        assert (now[0] - trainer._last_val_time >= 60) == (first[0] >= 60)
    callback.on_validation_end(trainer, module)
    callback.on_train_batch_end(trainer, module, None, {}, 0)
    assert asked == [0, 59, 60, 0]
