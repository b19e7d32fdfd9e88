"""From the cells of one layer and budget to a table: the harness of ``evaluate`` over reconstructions on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from inverter.evaluation.harness import evaluate
from inverter.evaluation.intervals import Bootstrap
from inverter.evaluation.judges import Gallery, Judge
from inverter.evaluation.methods import Method
from inverter.evaluation.metrics import Missing
from inverter.evaluation.references import reference_methods
from inverter.evaluation.results import Results
from inverter.lab.experiments.config import ExperimentConfig
from inverter.lab.experiments.extras import Extras, add_temporal, extend
from inverter.lab.experiments.picture_set import Picture
from inverter.lab.experiments.replay import Replay, stream
from inverter.lab.experiments.run import Job
from inverter.lab.experiments.subject import Subject
from inverter.priors.prior import DiffusionPrior

WHOLE_SAMPLE = ("is", "fid")
"""Metrics that need many pictures, of which one with several seeds is one."""
COSTS = {"seconds_per_image": "seconds", "target_queries": "target_queries", "denoiser_calls": "denoiser_calls"}


@dataclass(frozen=True)
class Group:
    """What is compared in one table.

    Args:
        name: Heading.
        subject: The layer.
        members: Method to its jobs, one a seed.
        pictures: Of all jobs.
        variant: What else the table is of, such as the method.
        clip: That the pictures are frames of.
        shots: Clips that it was cut together of.
    """

    name: str
    subject: Subject
    members: dict[str, list[Job]]
    pictures: tuple[Picture, ...]
    variant: str = ""
    clip: str = ""
    shots: tuple[str, ...] = ()

    @property
    def begun(self) -> dict[str, list[Job]]:
        """Members that have inverted something with every seed."""
        return {name: jobs for name, jobs in self.members.items() if all(job.done() for job in jobs)}

    @property
    def common(self) -> list[Picture]:
        """Pictures that every begun member has inverted with every seed."""
        done = [set(job.done()) for jobs in self.begun.values() for job in jobs]
        return [picture for picture in self.pictures if done and all(picture.key in keys for keys in done)]


@dataclass(frozen=True)
class Measured:
    """A group's results, the spectra of its methods, and what an experiment adds."""

    group: Group
    results: Results
    spectra: dict[str, list[float]]


@dataclass(frozen=True)
class Bench:
    """What all groups of an experiment are measured with."""

    config: ExperimentConfig
    prior: DiffusionPrior
    judges: Sequence[Judge]
    gallery: Gallery | None
    missing: Sequence[Missing] = ()


def measure(bench: Bench, group: Group, pairs: Sequence[tuple[str, str]], clip: bool = False) -> Measured | None:
    """Table of a group; None where nothing was inverted yet.

    Args:
        bench: Shared.
        group: What is compared.
        pairs: Comparisons ``(a, b)``, read as a minus b; those of members that are not there are left out.
        clip: The pictures are consecutive frames: flicker and warping error are measured too.
    """
    config, members, pictures = bench.config, group.begun, group.common
    if not pictures:
        return None
    pairs = [(a, b) for a, b in pairs if a in members and b in members]
    extras = Extras(group.subject, config.loop.distance, clip)
    methods: dict[str, Method] = {}
    for name, jobs in members.items():
        keys = [picture.key for picture in pictures]
        cost = {title: sum(job.cell.mean(value, keys) for job in jobs) / len(jobs) for title, value in COSTS.items()}
        methods[name] = Method(Replay(jobs, pictures, config.batch_size), cost=cost)
    methods |= reference_methods(bench.prior, [], None)
    results = evaluate(
        methods,
        extras.watch(stream(group.subject, pictures, config.seeds, config.batch_size)),
        target=lambda images: group.subject.own(images)[group.subject.point.layer],
        judges=bench.judges,
        gallery=bench.gallery,
        comparisons=pairs,
        seed=config.seed,
        num_bootstrap=config.num_bootstrap,
        device=bench.prior.device,
        target_spec=group.subject.spec.to_dict(),
        missing=bench.missing,
        on_recon=extras,
    )
    if bench.judges and len(config.seeds) > 1:
        results = without_whole_sample(results, len(config.seeds))
    sampled = {"num_bootstrap": config.num_bootstrap, "seed": config.seed}
    bootstrap = Bootstrap(len(results.keys), results.groups, **sampled)  # type: ignore[arg-type]
    results = extend(results, extras.statistics(bootstrap), bootstrap, pairs)
    if clip:
        results = add_temporal(results, extras, pictures, len(config.seeds), pairs, sampled)
    return Measured(group, results, extras.spectra())


def without_whole_sample(results: Results, num_seeds: int) -> Results:
    """Results without inception score and FID, which would count every picture once a seed."""
    rows = [
        replace(row, scores={k: v for k, v in row.scores.items() if k.partition("/")[0] not in WHOLE_SAMPLE})
        for row in results.rows
    ]
    reason = f"it would count each picture {num_seeds} times, once a seed; one seed gives it"
    missing = [m for m in results.missing if m.metric not in WHOLE_SAMPLE]
    missing += [Missing(metric, reason) for metric in WHOLE_SAMPLE]
    return replace(results, rows=tuple(rows), missing=tuple(missing))
