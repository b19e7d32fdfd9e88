"""A training that is interrupted in the middle of an epoch ends as one that was not, bit for bit on a CPU."""

import os
import signal
from pathlib import Path

import pytest
import torch

from inverter.blackbox.config import TrainConfig
from inverter.blackbox.modules.inverter import InverterModule
from inverter.config import TrainerConfig
from inverter.stages import train

WEIGHTS = ("state_dict", "current_model_state")  # averaged and raw


@pytest.fixture(scope="module")
def make(train_config, tmp_path_factory):
    """Function to a config of seven steps, five to an epoch, that writes no checkpoint by the clock."""

    def make() -> TrainConfig:
        config = train_config(tmp_path_factory.mktemp("runs") / "run", max_steps=7)
        config.data.batch_size = 2
        config.trainer = TrainerConfig(device="cpu", every_n_seconds=600, progress=False)
        return config

    return make


@pytest.fixture(scope="module")
def whole(make) -> dict:
    return load(train.run(make()), "best")


def load(run: Path, name: str) -> dict:
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)


def stop(monkeypatch, config: TrainConfig, step: int, how) -> int:
    """Run until ``how`` is called within the step that follows ``step``; the exit status."""
    original = InverterModule.training_step

    def replacement(self, batch, batch_idx):
        loss = original(self, batch, batch_idx)
        if self.global_step == step:
            how()
        return loss

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(InverterModule, "training_step", replacement)
        train.run(config)
    return ended.value.code


def twice() -> None:
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_the_step_is_done_first_and_the_run_goes_on_exactly(make, whole, monkeypatch, number, num_workers):
    config, before = make(), signal.getsignal(signal.SIGINT)
    config.data.num_workers = num_workers
    for step in (1, 5):
        assert stop(monkeypatch, config, step, lambda: os.kill(os.getpid(), number)) == 128 + number
        assert signal.getsignal(signal.SIGINT) is before
        assert load(Path(config.output), "last")["global_step"] == step + 1
    found = load(train.run(config), "best")
    assert found["global_step"] == whole["global_step"] == 7
    for part in WEIGHTS:
        assert all(torch.equal(found[part][name], value) for name, value in whole[part].items())


def test_a_second_ctrl_c_ends_at_once_and_the_run_goes_on_from_before(make, whole, monkeypatch):
    """In the middle of a step, which has its batch but has not changed the weights: no state is saved."""
    config = make()
    stop(monkeypatch, config, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert stop(monkeypatch, config, 3, twice) == 1
    assert load(Path(config.output), "last")["global_step"] == 2
    found = load(train.run(config), "best")
    for part in WEIGHTS:
        assert all(torch.equal(found[part][name], value) for name, value in whole[part].items())
