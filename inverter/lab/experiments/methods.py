"""Experiment 1: which method inverts which layer, at which cost, and does the prior fill high frequencies?"""

from __future__ import annotations

from pathlib import Path

from inverter.lab.experiments.answer import overall, sentences
from inverter.lab.experiments.attempt import Attempt
from inverter.lab.experiments.budget import budget_name
from inverter.lab.experiments.command import command
from inverter.lab.experiments.config import BudgetConfig, MethodsExperimentConfig
from inverter.lab.experiments.frame import check_points, experiment, limit, measure_all, run_all
from inverter.lab.experiments.measure import Group
from inverter.lab.experiments.page import Text, check_page
from inverter.lab.experiments.picture_set import Picture, read_pictures
from inverter.lab.experiments.plot import curves_chart, panels
from inverter.lab.experiments.record import ExperimentRecord, GroupResults, make_record, of_group
from inverter.lab.experiments.report import write_pages
from inverter.lab.experiments.run import Job, make_job
from inverter.lab.experiments.subject import BLACKBOX, FROM_INVERTER, Subject, applicable, load_subject

KINDS = ("psnr", "ssim", "lpips", "feature_loss", "agreement", "reid_top1", "reid_mrr", "kid", "is", "fid")
SPECTRUM = ("spectrum_error", "spectrum_high")
PAIRS = [
    *(
        (method, "direct")
        for method in ("latent", "latent_few_step", "guided", "hybrid", "hybrid_unpolished", *BLACKBOX)
    ),
    ("latent", "guided"),
    ("latent_few_step", "latent"),
    ("latent_few_step", "guided"),
    ("hybrid", "guided"),
    ("hybrid_unpolished", "guided"),
    ("hybrid_unpolished", "latent"),
    ("guided_inverter", "guided"),
    ("hybrid_unpolished", "guided_inverter"),
    ("hybrid_unpolished", "hybrid_without_prior"),
    ("hybrid", "hybrid_unpolished"),
    *(("hybrid_unpolished", method) for method in BLACKBOX),
]
ANSWERED = ("psnr", "ssim", "feature_loss", "agreement", "reid_top1", "kid", "spectrum_error")
PLOTTED = ("psnr", "agreement", "reid_top1", "feature_loss")
TITLE = "Methods at equal cost"
QUESTION = """From the features of each layer, how close does each method come to the picture, what is recognised in
it, and what does it cost? The methods with a diffusion prior are compared with `direct`, which has none, at the same
number of target queries an image and at the same seconds. Does the prior fill the high frequencies that the features
leave open?"""
NAMED = {
    "latent": "`latent` differentiates {} denoising steps.",
    "latent_few_step": "`latent_few_step` is `latent` through one step of the prior's few-step variant.",
    "guided_inverter": "`guided_inverter` starts where the published inverter ends (DRAG++), `guided` at noise.",
    "hybrid_unpolished": "`hybrid` is listed apart from `hybrid_unpolished` only where it polishes pixels.",
    "hybrid_without_prior": "`hybrid_without_prior` calls no denoiser: decoder alone, else `hybrid_unpolished`.",
}
"""What a method's row is, said where it is measured."""
LIMITS = (
    "Everything is measured at the prior's resolution; a shallow layer at an enlarged input sends more than that.",
    "Learning rates and weights are each method's defaults at every budget; none was tuned on these pictures.",
    "The embedded prior, the target and the judges know ImageNet, which pictures of `val` may be from.",
    "The feature loss is that of the 8-bit picture; `recon` of a shallow layer loses a little to the rounding.",
)


def run(config: MethodsExperimentConfig) -> Path:
    """Fill the cells and write the page; returns its folder.

    Raises:
        ValueError: A value that is not allowed, pictures that cannot be read, or an output of another recipe.
        SystemExit: A signal came; the same command goes on.
    """
    check_points(config.layers, config.budgets)
    check_page(Path(config.results) / "README.md", TITLE)
    output = Path(config.output)
    with experiment(config, output, "methods") as prior:
        counts = [limit(config.images, p.images, b.images) for p in config.layers for b in config.budgets]
        pictures = read_pictures(config, max(counts), prior.resolution)
        subjects = [load_subject(config, point, prior) for point in config.layers]
        groups = [
            make_group(config, subject, budget, pictures.items, prior.resolution)
            for subject in subjects
            for budget in config.budgets
        ]
        jobs = [job for group in groups for members in group.members.values() for job in members]
        finished = run_all(config, jobs, output, "methods")
        measured = measure_all(config, prior, pictures.gallery, groups, lambda _: PAIRS)
        results = [of_group(m, m.group.subject.name, m.group.variant) for m in measured]
        write(make_record("methods", config, pictures.source, results, finished, jobs), Path(config.results), output)
    return Path(config.results)


def make_group(
    config: MethodsExperimentConfig, subject: Subject, budget: BudgetConfig, items: tuple[Picture, ...], size: int
) -> Group:
    """All methods at a layer with a budget."""
    chosen = items[: limit(config.images, subject.point.images, budget.images)]

    def jobs(method: str) -> list[Job]:
        cost = None if method in BLACKBOX else budget
        attempts = [Attempt(subject, method, cost, seed) for seed in config.seeds]
        return [make_job(config, Path(config.output), attempt, chosen) for attempt in attempts]

    members = {method: jobs(method) for method in applicable(subject, config.methods, config, size)}
    cost = budget_name(budget)
    return Group(f"{subject.name}, {cost}", subject, members, chosen, cost)


def write(record: ExperimentRecord, results: Path, output: Path) -> None:
    """Table, plot and page in ``results``, the report in ``output``."""
    write_pages(record, text(record), charts(record.groups), results, output)


def charts(groups: tuple[GroupResults, ...]) -> list:
    """Each metric over the budgets, by layer; then the spectra of each layer at its last budget."""
    shown = panels(groups, PLOTTED, lambda group: group.layer, lambda group: group.budget)
    last = {group.layer: group for group in groups}
    for group in last.values():
        attacks = {row.name for row in group.results.rows if row.kind == "attack"} | {"round trip"}
        curves = {name: values for name, values in group.spectra.items() if name in attacks}
        shown.append(curves_chart(f"{group.title}: excess of power, dB", curves))
    return shown


def text(record: ExperimentRecord) -> Text:
    """What the page says."""
    answers = overall([group.results for group in record.groups], PAIRS, ANSWERED)
    details = [
        f"{group.title}: {line}" for group in record.groups for line in sentences(group.results, PAIRS, ANSWERED)
    ]
    steps = record.config["latent"]["num_inference_steps"]
    budgets = ", ".join(dict.fromkeys(group.budget for group in record.groups))
    return Text(
        TITLE,
        QUESTION,
        [
            f"Layers, at input size: {', '.join(dict.fromkeys(f.layer for f in record.groups))}.",
            f"Budgets an image: {budgets}.",
            f"Pictures a group: {record.counts}.",
            "A time is turned into queries by a short measurement, so that every schedule ends within it.",
            *(sentence.format(steps) for method, sentence in NAMED.items() if method in record.config["methods"]),
            *without_inverter(record),
        ],
        command(record, MethodsExperimentConfig),
        (*KINDS, *SPECTRUM),
        answers,
        details,
        LIMITS,
    )


def without_inverter(record: ExperimentRecord) -> list[str]:
    """At most one sentence: the layers that lack the rows of an inverter, which were asked for."""
    wanted = {*BLACKBOX, FROM_INVERTER} & set(record.config["methods"])
    lacking = [f.layer for f in record.groups if wanted and not wanted & {row.name for row in f.results.rows}]
    if not lacking:
        return []
    layers = ", ".join(dict.fromkeys(lacking))
    return [f"No inverter of {layers} was published when this was measured: every search there begins at noise."]
