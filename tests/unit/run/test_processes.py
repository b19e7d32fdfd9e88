import pytest
import torch.distributed as dist
from lightning.fabric.utilities.rank_zero import rank_zero_only

from inverter.config import OptimConfig, TrainerConfig
from inverter.run import processes
from inverter.run.lock import LOCK, locked
from inverter.run.processes import gather, joined, rank, share_tasks, wait_for_all, world_size
from inverter.run.record import record_run
from inverter.run.training import build_trainer
from inverter.whitebox.config import InvertConfig


def test_alone(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    with joined():
        assert (rank(), world_size()) == (0, 1)
        assert not dist.is_initialized()
        assert gather([3, 1]) == [3, 1]
        wait_for_all()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8"}, 5),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "2", "SLURM_PROCID": "0"}, 1),
        ({"LOCAL_RANK": "1"}, 1),
        ({"RANK": "2"}, 0),  # of nothing
        ({"SLURM_PROCID": "2"}, 0),  # an independent task of srun
    ],
)
def test_the_rank_is_known_before_processes_meet(monkeypatch, environment, expected):
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert rank() == expected


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7])
def test_what_was_dealt_in_turn_comes_back_in_order(monkeypatch, count):
    items = [None, *range(1, count)][:count]  # None is an item as any other

    def all_gather(shares, share):
        assert share == items[1::3]
        shares[:] = [items[rank::3] for rank in range(3)]

    monkeypatch.setattr(processes, "world_size", lambda: 3)
    monkeypatch.setattr(dist, "all_gather_object", all_gather)
    assert gather(items[1::3]) == items


@pytest.fixture
def task(monkeypatch) -> None:
    """The second of two tasks that srun started."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(processes, "_task", 0)
    for name, value in {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_JOB_ID": "1", "SLURM_LOCALID": "1"}.items():
        monkeypatch.setenv(name, value)


def test_tasks_of_srun_are_runs_of_their_own(task, tmp_path):
    with joined(), locked(tmp_path):
        assert (tmp_path / LOCK).is_file()
        record_run(InvertConfig(input="x"), tmp_path, "invert")
        assert (tmp_path / "invert.json").is_file()


@pytest.mark.parametrize(("count", "ours", "expected"), [(1, False, 0), (2, True, 1), (4, False, 0)])
def test_as_many_tasks_as_a_training_has_processes_are_its_own(task, count, ours, expected):
    assert share_tasks(count) == ours
    assert rank() == expected


def test_processes_that_torchrun_did_not_start_do_not_each_do_all_the_work(task, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ValueError, match="process 1 was not started by torchrun"), joined():
        raise AssertionError


def test_a_training_that_is_one_of_two_tasks_is_not_left_to_their_numbers(task, monkeypatch, tmp_path):
    monkeypatch.setattr(rank_zero_only, "rank", 1)  # as Lightning has it from SLURM's number
    options = TrainerConfig(device="cpu", loggers=[], progress=False)
    trainer = build_trainer(OptimConfig(max_steps=1), options, tmp_path, monitor="dev/psnr")
    assert (trainer.is_global_zero, rank_zero_only.rank) == (True, 0)
