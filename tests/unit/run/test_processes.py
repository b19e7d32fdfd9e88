import pytest
import torch.distributed as dist

from inverter.run import processes
from inverter.run.processes import gather, joined, rank, wait_for_all, world_size


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
        ({"RANK": "5", "LOCAL_RANK": "1"}, 5),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "0"}, 1),
        ({"SLURM_PROCID": "2"}, 2),
    ],
)
def test_the_rank_is_known_before_processes_meet(monkeypatch, environment, expected):
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
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


def test_tasks_of_srun_alone_do_not_each_do_all_the_work(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_PROCID", "0")
    with joined():
        pass
    monkeypatch.setenv("SLURM_PROCID", "1")
    with pytest.raises(ValueError, match="process 1 was not started by torchrun"), joined():
        raise AssertionError
