"""Experiment 3: do neighbouring frames help each other, and what happens where a clip cuts?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from inverter.config import SmoothingConfig
from inverter.data.sources.source import unique_key
from inverter.lab.experiments.attempt import Attempt
from inverter.lab.experiments.budget import budget_name
from inverter.lab.experiments.config import SmoothingExperimentConfig
from inverter.lab.experiments.cut import side_notes
from inverter.lab.experiments.frame import check_points, experiment, measure_all, run_all
from inverter.lab.experiments.measure import Group
from inverter.lab.experiments.page import check_page
from inverter.lab.experiments.picture_set import Picture, read_frames
from inverter.lab.experiments.record import make_record, of_group
from inverter.lab.experiments.run import Job, make_job
from inverter.lab.experiments.smoothing_page import TITLE, pairs, write
from inverter.lab.experiments.subject import Subject, applicable, check_methods, load_subject, smooths

FORMS = ("none", "start", "paper", "robust")
WEIGHTED = FORMS[2:]


def run(config: SmoothingExperimentConfig) -> Path:
    """As :func:`inverter.lab.experiments.methods.run`."""
    check_points(config.layers, [config.budget])
    check(config)
    check_page(Path(config.results) / "README.md", TITLE)
    output = Path(config.output)
    with experiment(config, output, "smoothing") as prior:
        clips = read_clips(config, prior.resolution)
        groups = []
        for point in config.layers:
            subject = load_subject(config, point, prior)
            for method in applicable(subject, config.methods, config, prior.resolution):
                groups += [make_group(config, subject, method, name, frames) for name, frames in clips.items()]
        jobs = [job for group in groups for members in group.members.values() for job in members]
        finished = run_all(config, jobs, output, "smoothing")
        measured = measure_all(config, prior, None, groups, lambda group: pairs(list(group.members)), clip=True)
        cost = budget_name(config.budget)
        results = [of_group(m, m.group.subject.name, cost, f"{m.group.clip}, {m.group.variant}") for m in measured]
        source = f"the first {config.frames} frames of {', '.join(Path(clip).name for clip in config.clips)}"
        record = make_record("smoothing", config, source, results, finished, jobs)
        write(record, side_notes(groups, config) if config.cut else [], Path(config.results), output)
    return Path(config.results)


def check(config: SmoothingExperimentConfig) -> None:
    """Refuse what smooths nothing.

    Raises:
        ValueError: See above.
    """
    if set(config.forms) - set(FORMS) or not config.forms:
        raise ValueError(f"forms is {config.forms}; allowed: one or more of {', '.join(FORMS)}")
    bad = [weight for weight in config.weights if weight <= 0]
    if bad or (not config.weights and set(config.forms) & set(WEIGHTED)):
        raise ValueError(f"weights is {config.weights}; allowed: one or more above 0")
    unable = [method for method in check_methods(config.methods) if not smooths(method, config)]
    if unable:
        raise ValueError(f"methods is {config.methods}; allowed: those that smooth a clip, which {unable[0]} does not")
    if len(config.clips) < (2 if config.cut else 1) or len(set(config.clips)) < len(config.clips):
        raise ValueError(f"clips is {config.clips}; allowed: one or more, each once; two or more with cut=true")
    names = clip_names(config)
    keys = [unique_key(name, set()).lower() for name in names]  # as they name cells and reconstructions
    alike = [name for name, key in zip(names, keys, strict=True) if keys.count(key) > 1]
    if alike:
        raise ValueError(f"clips is {config.clips}; allowed: names that differ without their folders, not {alike}")
    if config.block < 1 or config.frames < 2:
        raise ValueError(f"block={config.block}, frames={config.frames}; allowed: 1 or more, 2 or more")


def clip_names(config: SmoothingExperimentConfig) -> list[str]:
    """What clips are called; with ``cut`` the first two, cut together, are the last."""
    names = [Path(clip).stem for clip in config.clips]
    return [*names, " cut to ".join(names[:2])] if config.cut else names


def read_clips(config: SmoothingExperimentConfig, size: int) -> dict[str, tuple[Picture, ...]]:
    """Frames by clip; with ``cut`` those of the first two, one clip behind the other, as a further one."""
    clips = [tuple(read_frames(clip, config.video, config.frames, config.block, size)) for clip in config.clips]
    if config.cut:
        clips.append(clips[0] + clips[1])
    return dict(zip(clip_names(config), clips, strict=True))


def variants(config: SmoothingExperimentConfig) -> Iterator[tuple[str, SmoothingConfig]]:
    """Name and smoothing of each row: the forms without a weight once, the others with each."""
    for form in config.forms:
        for weight in config.weights if form in WEIGHTED else [0.0]:
            name = f"{form} {weight:g}" if form in WEIGHTED else form
            warm = config.smoothing.warm_start if form in WEIGHTED else form == "start"
            yield name, replace(config.smoothing, weight=weight, robust=form == "robust", warm_start=warm)


def make_group(
    config: SmoothingExperimentConfig, subject: Subject, method: str, clip: str, frames: tuple[Picture, ...]
) -> Group:
    """All forms at a layer on a clip."""

    def jobs(name: str, smoothing: SmoothingConfig) -> list[Job]:
        variant = f"{clip}+{name}".replace(" ", "-")
        attempts = [Attempt(subject, method, config.budget, seed, variant, smoothing) for seed in config.seeds]
        return [make_job(config, Path(config.output), attempt, frames) for attempt in attempts]

    members = {name: jobs(name, smoothing) for name, smoothing in variants(config)}
    *names, last = clip_names(config)
    shots = tuple(names[:2]) if config.cut and clip == last else ()
    return Group(f"{subject.name}, {clip}, {method}", subject, members, frames, method, clip, shots)
