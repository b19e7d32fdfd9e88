"""The paper's figures beside ours, from whatever experiments were run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from inverter.evaluation.labels import number, verdict
from inverter.evaluation.results import Comparison, Results
from inverter.lab.experiments.page import check_page
from inverter.lab.experiments.record import ExperimentRecord, GroupResults, read_record
from inverter.lab.experiments.tables import markdown
from inverter.run.files import write_text

NOT_RUN = "not run"
EXPERIMENTS = ("methods", "prompts", "smoothing")
TITLE = "Results"
PAGE = """# {title}

What each experiment found, and the paper's figures (arXiv:2412.10448) beside ours.

## Pages

| experiment | page | layers |
| --- | --- | --- |
{pages}

Every page is written by its command, this one by `inverter experiment summary`.

## The paper's figures beside ours

They are quoted as they are. Network, layer, pictures and size differ from ours, and no code was released, so this is
no race.

{table}

## What differs

- Its prior is a full latent diffusion model at its own resolution, ours the one that the tables name.
- Its target network is another.
- Its inception score counts its images under its network. Ours is computed from 1,000 pictures on, under the judges,
  with one split.
- PSNR here is the mean over pictures of each one's, after rounding to 8 bits, at most 60 dB.
- "Best" and "most" are the best mean over all tables: a choice made on the pictures that it is measured on. Read the
  tables for a fair comparison.
- Smoothing ties latents in the paper; ours ties those of `latent` and `hybrid`, and the pixels of `direct`.
- How many denoising steps it differentiates, its iterations, the form of its total variation and its temporal weight
  are not documented; ours are in the configs.
"""


def summarise(folder: Path) -> Path:
    """Write ``FOLDER/README.md`` from the experiments' ``results.json``; absent ones are said not to have been run.

    Raises:
        ValueError: A record is damaged, or ``README.md`` is another page.
    """
    check_page(folder / "README.md", TITLE)
    records = read_records(folder)
    pages = [line for experiment, found in records.items() for line in _pages(experiment, found)]
    methods, smoothing = (list(records[experiment].values()) for experiment in ("methods", "smoothing"))
    table = markdown([["figure", "paper", "ours", "where"], *rows(methods, smoothing)])
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "README.md", PAGE.format(title=TITLE, pages="\n".join(pages), table=table))
    return folder / "README.md"


def read_records(folder: Path) -> dict[str, dict[str, ExperimentRecord]]:
    """Records below a folder, by experiment and then by name: ``methods``, ``methods-deep`` and so on.

    Raises:
        ValueError: A record is damaged.
    """
    found: dict[str, dict[str, ExperimentRecord]] = {experiment: {} for experiment in EXPERIMENTS}
    for path in sorted(folder.glob("*")):
        experiment = path.name.partition("-")[0]
        if experiment in found and (record := read_record(path)) is not None:
            found[experiment][path.name] = record
    return found


def summary_folder(results: Path, experiment: str) -> Path | None:
    """The folder that an experiment's results lie in; None where theirs is not named as the experiment.

    Args:
        results: Such as ``docs/results/methods`` or, of a part, ``docs/results/methods-deep``.
        experiment: Its name.
    Raises:
        ValueError: Its ``README.md`` is another page.
    """
    if results.name.partition("-")[0] != experiment:
        return None
    check_page(results.parent / "README.md", TITLE)
    return results.parent


def rows(methods: Sequence[ExperimentRecord], smoothing: Sequence[ExperimentRecord]) -> Iterator[list[str]]:
    """One line a figure."""
    for title, metric, paper in (
        ("inception score", "is", "7.36"),
        ("PSNR, dB", "psnr", "42.6"),
        ("SSIM", "ssim", "0.98"),
    ):
        yield [f"best {title}", paper, *best(methods, metric)]
    gains = (("inception score", "is", "+1.8"), ("PSNR, dB", "psnr", "+7.3"), ("SSIM", "ssim", "+0.39"))
    for title, metric, paper in gains:
        yield [f"most that smoothing gains in {title}", paper, *gain(smoothing, metric)]


def best(records: Sequence[ExperimentRecord], metric: str) -> list[str]:
    """The best mean of any attack, with its method and group."""
    if not records:
        return [NOT_RUN, ""]
    scores = [(s.mean, name, row.name, group.title) for group, row, name, s in _scores(_groups(records), metric)]
    if not scores:
        return [f"not computed: {_why(records, metric)}", ""]
    mean, name, method, group = max(scores)
    return [number(name, mean), f"{method}, {group}"]


def gain(records: Sequence[ExperimentRecord], metric: str) -> list[str]:
    """The largest gain of a smoothed form over none."""
    if not records:
        return [NOT_RUN, ""]
    found = [(c, group.title) for group in _groups(records) for c in _gains(group.results, metric)]
    if not found:
        return [f"not computed: {_why(records, metric)}", ""]
    comparison, group = max(found, key=lambda pair: pair[0].difference)
    seen = "" if comparison.claim else f", {verdict(comparison)}"
    return [number(metric, comparison.difference, signed=True) + seen, f"{comparison.a}, {group}"]


def _gains(results: Results, metric: str) -> list[Comparison]:
    """Comparisons with none; of a metric of the whole sample, which has none, differences without an interval."""
    found = [c for c in results.comparisons if c.b == "none" and c.metric.partition("/")[0] == metric]
    attacks = {row.name: row.scores for row in results.rows if row.kind == "attack"}
    none = attacks.pop("none", {})
    return found or [
        Comparison(name, "none", key, score.mean - none[key].mean, None, None, False, False, score.n, score.groups)
        for name, scores in attacks.items()
        for key, score in scores.items()
        if key in none and key.partition("/")[0] == metric
    ]


def _scores(groups: Sequence[GroupResults], metric: str) -> Iterator[tuple]:
    for group in groups:
        for row in group.results.rows:
            for name, score in row.scores.items():
                if row.kind == "attack" and name.partition("/")[0] == metric:
                    yield group, row, name, score


def _groups(records: Sequence[ExperimentRecord]) -> list[GroupResults]:
    return [found for record in records for found in record.groups]


def _why(records: Sequence[ExperimentRecord], metric: str) -> str:
    largest = sorted(_groups(records), key=lambda found: found.results.num_images, reverse=True)
    reasons = (m.reason for found in largest for m in found.results.missing if m.metric.startswith(metric))
    return next(reasons, "the metric was not measured")


def _pages(experiment: str, records: Mapping[str, ExperimentRecord]) -> Iterator[str]:
    if not records:
        yield f"| {experiment} | {NOT_RUN} |  |"
    for name, record in records.items():
        layers = ", ".join(dict.fromkeys(found.layer for found in record.groups))
        yield f"| {experiment} | [{name}]({name}/README.md){'' if record.finished else ' (unfinished)'} | {layers} |"
