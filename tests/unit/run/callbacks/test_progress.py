import logging
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import RichProgressBar

from inverter.config import OptimConfig
from inverter.run.callbacks import progress as module
from inverter.run.callbacks.progress import PlainProgress, progress


@pytest.mark.parametrize(("terminal", "kind"), [(True, RichProgressBar), (False, PlainProgress)])
def test_a_bar_in_a_terminal_only(monkeypatch, terminal, kind):
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: terminal, raising=False)
    assert isinstance(progress(OptimConfig()), kind)


def test_elsewhere_one_line_each_thirty_seconds(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    trainer = SimpleNamespace(global_step=3, max_steps=-1, is_global_zero=True, callback_metrics={}, callbacks=[])
    optim = OptimConfig(max_steps=None, max_time=None)
    callback, network = progress(optim), SimpleNamespace(trainer=trainer)
    callback.on_train_start(trainer, network)
    for step in range(4, 11):
        now[0] += 10
        trainer.global_step = step
        trainer.callback_metrics["train/loss"] = torch.tensor(1 / step)
        if step > 6:
            trainer.max_steps = optim.max_steps = 12
            trainer.callback_metrics["dev/psnr"] = torch.tensor(20.5)
        callback.on_train_batch_end(trainer, network, None, {}, 0)
    assert [record.message for record in caplog.records] == [
        "step 6 after 30 s, train/loss 0.1667",
        "step 9 of 12 after 60 s, about 20 s left, train/loss 0.1111, dev/psnr 20.5",
    ]
