from types import SimpleNamespace

import pytest

from inverter.run.callbacks import shared_clock
from inverter.run.callbacks.shared_clock import SharedClock


@pytest.mark.parametrize("first", [True, False])
def test_the_first_process_decides_when_to_validate(monkeypatch, first):
    """Whatever this process's own clock says, and whatever Lightning compares it with."""
    now = [1000.0]
    monkeypatch.setattr(shared_clock.time, "monotonic", lambda: now[0])
    asked = []
    strategy = SimpleNamespace(broadcast=lambda due: asked.append(due) or first)
    trainer = SimpleNamespace(strategy=strategy, _last_val_time=0.0)
    callback = SharedClock(60)
    callback.on_train_start(trainer, None)
    for seconds in (59, 1):
        now[0] += seconds
        callback.on_train_batch_end(trainer, None, None, {}, 0)
        assert (now[0] - trainer._last_val_time >= 60) == first
    callback.on_validation_end(trainer, None)
    callback.on_train_batch_end(trainer, None, None, {}, 0)
    assert asked == [False, True, False]
