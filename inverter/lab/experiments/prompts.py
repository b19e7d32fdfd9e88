"""Experiment 2: does it help to tell the prior what the picture shows, and does a wrong word hurt?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inverter.lab.experiments.answer import overall, sentences
from inverter.lab.experiments.attempt import Attempt
from inverter.lab.experiments.budget import budget_name
from inverter.lab.experiments.command import command
from inverter.lab.experiments.config import PromptsExperimentConfig
from inverter.lab.experiments.frame import check_points, experiment, limit, measure_all, run_all
from inverter.lab.experiments.measure import Group
from inverter.lab.experiments.page import Text, check_page
from inverter.lab.experiments.picture_set import Picture, read_pictures
from inverter.lab.experiments.plot import panels
from inverter.lab.experiments.record import ExperimentRecord, make_record, of_group
from inverter.lab.experiments.report import write_pages
from inverter.lab.experiments.run import Job, make_job
from inverter.lab.experiments.subject import BLACKBOX, Subject, applicable, known_methods, load_subject, reads_prompt
from inverter.priors.prompts import join_prompt

KINDS = ("none", "foreground", "background", "both", "wrong")
PAIRS = [*((kind, "none") for kind in KINDS[1:]), ("both", "wrong"), ("both", "foreground"), ("both", "background")]
METRICS = ("psnr", "ssim", "lpips", "feature_loss", "agreement", "reid_top1", "reid_mrr", "kid", "is", "fid")
ANSWERED = ("psnr", "ssim", "feature_loss", "agreement", "reid_top1", "kid")
PLOTTED = ("psnr", "agreement", "reid_top1", "kid")
TITLE = "What a prompt is worth"
QUESTION = """Where features say little, does a prompt help: what is in front, what is behind it, or both? Does a
prompt that is wrong, the caption of another picture, hurt?"""
LIMITS = (
    "The captions are short: of shards what their json says, of package photos a caption without a background.",
    "A prompt acts through the denoiser alone: methods that call it seldom feel it little.",
    "A right prompt says what is there: part of what recognition gains is the prompt's own, not the features'.",
    "Claims go no further than such captions and the embedded prior's text encoder carry.",
)


def run(config: PromptsExperimentConfig) -> Path:
    """As :func:`inverter.lab.experiments.methods.run`."""
    check_points(config.layers, [config.budget])
    check(config)
    check_page(Path(config.results) / "README.md", TITLE)
    output = Path(config.output)
    with experiment(config, output, "prompts") as prior:
        counts = [limit(config.images, point.images, config.budget.images) for point in config.layers]
        pictures = read_pictures(config, max(counts), prior.resolution)
        groups = []
        for point in config.layers:
            subject, chosen = load_subject(config, point, prior), pictures.items[: limit(config.images, point.images)]
            methods = applicable(subject, config.methods, config, prior.resolution)
            groups += [make_group(config, subject, method, chosen) for method in methods]
        jobs = [job for group in groups for members in group.members.values() for job in members]
        finished = run_all(config, jobs, output, "prompts")
        measured = measure_all(config, prior, pictures.gallery, groups, lambda _: PAIRS)
        cost = budget_name(config.budget)
        results = [of_group(m, m.group.subject.name, cost, m.group.variant) for m in measured]
        write(make_record("prompts", config, pictures.source, results, finished, jobs), Path(config.results), output)
    return Path(config.results)


def check(config: PromptsExperimentConfig) -> None:
    """Refuse kinds and methods that no prompt reaches.

    Raises:
        ValueError: See above.
    """
    unknown = [kind for kind in config.kinds if kind not in KINDS]
    if unknown or not config.kinds:
        raise ValueError(f"kinds is {config.kinds}; allowed: one or more of {', '.join(KINDS)}")
    if deaf := [method for method in config.methods if method in known_methods() and not reads_prompt(method)]:
        raise ValueError(f"methods is {config.methods}; allowed: those that read a prompt, which {deaf[0]} does not")


def make_group(config: PromptsExperimentConfig, subject: Subject, method: str, chosen: Sequence[Picture]) -> Group:
    """One method at a layer with every kind of prompt."""
    budget = None if method in BLACKBOX else config.budget

    def jobs(kind: str) -> list[Job]:
        texts = prompts_of(chosen, kind)
        attempts = [
            Attempt(subject, method, budget, seed, f"prompt={kind}", guidance_scale=config.guidance_scale)
            for seed in config.seeds
        ]
        return [make_job(config, Path(config.output), attempt, chosen, texts) for attempt in attempts]

    members = {kind: jobs(kind) for kind in config.kinds}
    return Group(f"{subject.name}, {method}", subject, members, tuple(chosen), method)


def prompts_of(pictures: Sequence[Picture], kind: str) -> dict[str, str]:
    """Prompt by key.

    Args:
        pictures: With captions.
        kind: One of :data:`KINDS`; ``wrong`` is the caption of the nearest picture before (else after) that
            shows another class.
    """
    if kind != "wrong":
        return {p.key: p.caption if kind == "both" else join_prompt(p.foreground, p.background, kind) for p in pictures}
    prompts = {}
    for number, picture in enumerate(pictures):
        nearest = [*reversed(pictures[:number]), *pictures[number + 1 :]]  # the same one however many follow
        prompts[picture.key] = next((p.caption for p in nearest if p.shows != picture.shows), "")
    return prompts


def write(record: ExperimentRecord, results: Path, output: Path) -> None:
    """Table, plot and page in ``results``, the report in ``output``."""
    charts = panels(record.groups, PLOTTED, lambda group: group.variant, lambda group: group.layer)
    write_pages(record, text(record), charts, results, output)


def text(record: ExperimentRecord) -> Text:
    """What the page says."""
    answers = overall([group.results for group in record.groups], PAIRS, ANSWERED)
    details = [
        f"{group.title}: {line}" for group in record.groups for line in sentences(group.results, PAIRS, ANSWERED)
    ]
    return Text(
        TITLE,
        QUESTION,
        [
            f"Pictures a layer: {record.counts}; guidance {record.config['guidance_scale']:g}.",
            "`none` is the empty prompt; `wrong` the caption of another picture, always the same one.",
        ],
        command(record, PromptsExperimentConfig),
        METRICS,
        answers,
        details,
        LIMITS,
    )
