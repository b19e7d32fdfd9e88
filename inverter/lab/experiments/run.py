"""Every cell of an experiment: batch by batch, each batch through all cells, so that a stopped run compares alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from inverter.lab.experiments.attempt import Attempt, run_batch
from inverter.lab.experiments.cell import CellFile
from inverter.lab.experiments.config import ExperimentConfig
from inverter.lab.experiments.picture_set import Picture, batches
from inverter.run.progress import follow
from inverter.run.seeds import derive_seed

log = logging.getLogger(__name__)
STEPS = 1000
"""Parts of one picture in the progress bar."""


@dataclass(frozen=True)
class Job:
    """An attempt, the pictures it is made on, their prompts, and the file it is kept in.

    Args:
        attempt: What is done.
        pictures: All of them, in order.
        prompts: By key; absent keys have the inverter's conditioning, or none.
        whole: One batch of all, as frames of a clip need.
    """

    attempt: Attempt
    pictures: tuple[Picture, ...]
    cell: CellFile
    prompts: dict[str, str] | None = None
    whole: bool = False

    def batches(self, size: int) -> Iterator[list[Picture]]:
        """What is left to do of each batch; empty where nothing is."""
        size = len(self.pictures) if self.whole else size
        for batch in batches(self.pictures, size):
            left = self.cell.missing(batch, self.prompts)
            yield batch if self.whole and left else left

    def commits(self) -> set[str]:
        """Commits that the reconstructions were made at, as far as they are known."""
        rows = (self.cell.rows.get(picture.key, {}) for picture in self.pictures)
        return {row["commit"] for row in rows if row.get("commit")}

    def done(self) -> list[str]:
        """Keys of the pictures that were inverted and whose reconstructions are there."""
        return [picture.key for picture in self.pictures if self.cell.holds(picture.key)]


def make_job(
    config: ExperimentConfig,
    output: Path,
    attempt: Attempt,
    pictures: Sequence[Picture],
    prompts: dict[str, str] | None = None,
) -> Job:
    """A job whose cell lies in ``output``.

    Raises:
        ValueError: The cell is there, of another recipe.
    """
    recipe = attempt.recipe(config)
    if attempt.smoothing is not None:
        recipe["frames"] = f"{derive_seed(*(picture.sha256 for picture in pictures)):016x}"  # they are inverted jointly
    cell = CellFile(output, attempt.name, recipe)
    return Job(attempt, tuple(pictures), cell, prompts, whole=attempt.smoothing is not None)


def run_jobs(config: ExperimentConfig, jobs: Sequence[Job], description: str) -> bool:
    """Run what is not done yet; returns whether everything is.

    Raises:
        SystemExit: A signal ended an attack; the same command goes on from there.
    """
    rounds = zip_longest(*(job.batches(config.batch_size) for job in jobs), fillvalue=[])
    units = [(job, batch) for found in rounds for job, batch in zip(jobs, found, strict=True) if batch]
    begun, before = time.monotonic(), 0
    with follow(description, STEPS * sum(len(batch) for _, batch in units)) as show:
        for job, batch in units:
            if config.max_time is not None and time.monotonic() - begun >= config.max_time:
                log.info("max_time=%g is used up: the same command goes on", config.max_time)
                return False
            log.info("%s: %d picture(s)", job.attempt.name, len(batch))
            signal = run_batch(
                config, job.attempt, job.cell, batch, _prompts(job, batch), _shown(show, job, batch, before)
            )
            if signal is not None:
                raise SystemExit(128 + signal)
            before += STEPS * len(batch)
            show(before, float("nan"))
    return True


def _prompts(job: Job, batch: Sequence[Picture]) -> list[str | None] | None:
    return None if job.prompts is None else [job.prompts.get(picture.key) for picture in batch]


def _shown(show, job: Job, batch: Sequence[Picture], before: int):  # type: ignore[no-untyped-def]
    """Progress of an attack as its share of the whole."""
    budget = job.attempt.budget
    planned = job.cell.notes.get("queries") or (budget.queries if budget else None) or STEPS

    def part(done: int, loss: float) -> None:
        show(before + int(STEPS * len(batch) * min(1.0, done / planned)), loss)

    return part
