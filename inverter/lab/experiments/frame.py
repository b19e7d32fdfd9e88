"""What every experiment does around its cells: prior and judges, the lock of its folder, the record of the run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from inverter.evaluation.judges import Gallery, load_judges
from inverter.evaluation.metrics import Missing
from inverter.lab.experiments.budget import budget_name
from inverter.lab.experiments.config import BudgetConfig, ExperimentConfig, PointConfig
from inverter.lab.experiments.measure import Bench, Group, Measured, measure
from inverter.lab.experiments.remembering import RememberingJudge
from inverter.lab.experiments.run import Job, run_jobs
from inverter.lab.experiments.subject import point_name
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior
from inverter.run.device import pick_device, place
from inverter.run.lock import locked
from inverter.run.recipe import Recipe
from inverter.run.record import record_run

log = logging.getLogger(__name__)


@contextmanager
def experiment(config: ExperimentConfig, output: Path, name: str) -> Iterator[DiffusionPrior]:
    """The prior, while the output is this run's alone.

    Raises:
        ValueError: A value that is not allowed, or another run writes to the output.
    """
    if not config.seeds or len(set(config.seeds)) < len(config.seeds):
        raise ValueError(f"seeds is {config.seeds}; allowed: one or more, each once")
    for key in ("batch_size", "num_bootstrap"):
        if getattr(config, key) < 1:
            raise ValueError(f"{key} is {getattr(config, key)}; allowed: 1 or more")
    with locked(output):
        record_run(config, output, f"experiment_{name}")
        yield place(load_prior(config.prior), pick_device(config.device))


def check_points(layers: Sequence[PointConfig], budgets: Sequence[BudgetConfig]) -> None:
    """Refuse what names nothing.

    Raises:
        ValueError: No layer, no budget, a budget that is none, or a layer that is there twice.
    """
    if not layers:
        raise ValueError("layers is []; allowed: one or more, such as layers=[{layer: blocks.2, input_size: 224}]")
    if not budgets:
        raise ValueError("budgets is []; allowed: one or more, such as budgets=[{queries: 256}]")
    for budget in budgets:
        budget_name(budget)
    names = [point_name(point) for point in layers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"layers has {', '.join(twice)} twice; allowed: a layer at an input_size by an inverter once")


def limit(default: int, *others: int | None) -> int:
    """How many pictures: the layer's own number, else the experiment's, and at most the budget's.

    Args:
        default: Of the experiment.
        others: Of the layer, then of the budget.
    """
    point, budget = (*others, None, None)[:2]
    count = default if point is None else point
    return count if budget is None else min(count, budget)


def run_all(config: ExperimentConfig, jobs: Sequence[Job], output: Path, name: str) -> bool:
    """Run the jobs; their states are removed when all are done, those of attempts that are no longer asked for stay."""
    finished, states = run_jobs(config, longest(jobs), name), output / "state"
    if finished:
        for job in jobs:
            job.cell.forget()
        if states.is_dir() and not any(states.iterdir()):
            states.rmdir()
    return finished


def longest(jobs: Sequence[Job]) -> list[Job]:
    """Jobs in order, of those that share a cell the one with the most pictures; their cell is one object.

    Black-box cells are the same for every budget.

    Raises:
        ValueError: Two of one cell differ in more than their pictures.
    """
    by_cell: dict[str, Job] = {}
    for job in jobs:
        largest = by_cell.setdefault(job.cell.name, job)
        if changes := Recipe(job.cell.recipe).changes(largest.cell.recipe):
            raise ValueError(f"two attempts would share the cell {job.cell.name}: {'; '.join(changes)}")
        job.cell.rows, job.cell.notes = largest.cell.rows, largest.cell.notes
        if len(job.pictures) > len(largest.pictures):
            by_cell[job.cell.name] = job
    return list(by_cell.values())


def measure_all(
    config: ExperimentConfig,
    prior: DiffusionPrior,
    gallery: Gallery | None,
    groups: Sequence[Group],
    pairs: Callable[[Group], Sequence[tuple[str, str]]],
    clip: bool = False,
) -> list[Measured]:
    """Every group that holds something."""
    judges, missing = load_judges(config.judges, device=prior.device)
    absent = [Missing(m.metric, m.reason.partition(":")[0]) for m in missing]  # without folders of this machine
    bench = Bench(config, prior, [RememberingJudge(judge) for judge in judges], gallery, absent)
    measurements = []
    for group in groups:
        log.info("measure %s", group.name)
        measured = measure(bench, group, pairs(group), clip)
        if measured is not None:
            measurements.append(measured)
    return measurements
