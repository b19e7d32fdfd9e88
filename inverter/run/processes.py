"""The processes of one command, as torchrun or Lightning start them: which one this is, and meeting the others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain, zip_longest
from typing import TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")
_PATIENCE = timedelta(days=7)  # of the first process for the last; one that dies is noticed at once
_ABSENT = object()


_task = 0


def rank() -> int:
    """Number of this process among those of the command, from 0; known before they meet."""
    if dist.is_initialized():
        return dist.get_rank()
    names = ("RANK", "LOCAL_RANK") if "WORLD_SIZE" in os.environ else ("LOCAL_RANK",)  # of torchrun, of Lightning
    return int(next((os.environ[name] for name in names if name in os.environ), _task))


def share_tasks(count: int) -> bool:
    """Take the tasks of one ``srun`` for the processes of one run where they are as many as it has.

    Else each task is a run of its own, whatever its number.

    Args:
        count: Processes of the run.
    Returns:
        Whether this run may be left to SLURM's numbers; False where they are none of its.
    """
    global _task
    ours = int(os.environ.get("SLURM_NTASKS", count)) == count
    _task = int(os.environ.get("SLURM_PROCID", 0)) if ours and count > 1 else 0
    return ours


def world_size() -> int:
    """Processes that have met; 1 before they do."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def joined() -> Iterator[None]:
    """Meet the processes that torchrun started, each on a GPU of its own where there are some; alone, do nothing.

    Raises:
        ValueError: This is one of several processes, and something else started them: each would do all the work.
    """
    if dist.is_initialized() or not dist.is_torchelastic_launched():
        if not dist.is_initialized() and rank():
            raise ValueError(
                f"process {rank()} was not started by torchrun; start the stage by it, or one process only"
            )
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def gather(share: Sequence[T]) -> list[T]:
    """Everything that was dealt to the processes in turn, in its order, for each of them; waits for all."""
    if world_size() == 1:
        return list(share)
    shares: list[Sequence[T]] = [()] * world_size()
    dist.all_gather_object(shares, share)
    dealt = chain.from_iterable(zip_longest(*shares, fillvalue=_ABSENT))
    return [item for item in dealt if item is not _ABSENT]  # type: ignore[misc]


def share_numbers(numbers: Sequence[float], device: torch.device | str = "cpu") -> list[float]:
    """The first process's numbers, for each of them; ``device`` is one whose tensors the processes can send."""
    if world_size() == 1:
        return list(numbers)
    values = torch.tensor(numbers, dtype=torch.float64, device=device)
    dist.broadcast(values, 0)
    return values.tolist()


def wait_for_all() -> None:
    """Return when every process has come here."""
    gather([None])
