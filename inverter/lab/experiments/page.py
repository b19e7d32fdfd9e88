"""What an experiment leaves in ``docs/results/NAME/``: table, plot, and a page with question, answer and limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inverter.evaluation.chart import Chart, render
from inverter.evaluation.intervals import MIN_SOURCES
from inverter.evaluation.notes import ONE_JUDGE, WARNING
from inverter.evaluation.report import KEY_METRICS
from inverter.evaluation.summary import PHRASES, Summary, summarise
from inverter.lab.experiments.record import ExperimentRecord, GroupResults
from inverter.lab.experiments.tables import results_table
from inverter.run.files import write_text

NOTHING = "Nothing was inverted yet, so nothing is known of what leaks."
UNFINISHED = "Unfinished: the run was stopped before every cell was there."
RULE = f"""A method is better or worse where {MIN_SOURCES} sources or more were resampled and the interval of the paired
difference excludes 0; where judges measure, under every judge, or under some where the others' differences have the
same sign. Judges disagree where one's has not. Else there is no difference to be seen."""
PAGE = """# {title}

{unfinished}{headline}

## Question

{question}

## Set-up

{setup}

```bash
{command}
```

Every key of the configuration is in [results.json](results.json).

## Result

{table}

![{title}](plot.svg)

Intervals are 95 % bootstrap intervals; they resample {resampled}, the same draws for every method.
[The tables and every comparison](table.md), [everything as JSON](results.json).

## Answer

{rule} Over all tables;
[each table's](table.md) stand below the tables.

{answer}

## Limits

{limits}
"""


@dataclass(frozen=True)
class Text:
    """What an experiment says of itself.

    Args:
        title: Heading.
        question: What is asked.
        setup: How it was found out.
        command: That makes the page.
        kinds: Metrics of the tables.
        answer: Sentences over all tables.
        details: Sentences on each table.
        limits: What the answer does not cover.
        resampled: What a source is.
        key: Kinds of metrics of the report's table that is not folded away.
    """

    title: str
    question: str
    setup: Sequence[str]
    command: str
    kinds: Sequence[str]
    answer: Sequence[str]
    details: Sequence[str]
    limits: Sequence[str]
    resampled: str = "photos"
    key: Sequence[str] = KEY_METRICS


@dataclass(frozen=True)
class Lead:
    """The table that a page begins with.

    Args:
        group: The table.
        summary: What it says.
        candidates: Of how many tables of as many sources its figure is the highest.
    """

    group: GroupResults
    summary: Summary
    candidates: int

    @property
    def measured_on(self) -> str:
        """How many pictures, and of which table."""
        highest = f", the highest of {self.candidates} tables of as many sources" if self.candidates > 1 else ""
        return f"Measured on {self.group.results.num_images} pictures: {self.group.title}{highest}."


def write_page(record: ExperimentRecord, text: Text, charts: Sequence[Chart | None], folder: Path) -> None:
    """Write ``results.json``, ``table.md``, ``plot.svg`` and ``README.md``.

    Raises:
        ValueError: There is a ``README.md`` that is another page.
    """
    check_page(folder / "README.md", text.title)
    record.save(folder)
    table = "\n\n".join(f"**{group.title}**\n\n{results_table(group.results, text.kinds)}" for group in record.groups)
    write_text(folder / "table.md", f"# {text.title}\n\n{table}\n\n{bullets(text.details)}\n")
    write_text(folder / "plot.svg", render([chart for chart in charts if chart is not None], per_row=2))
    page = PAGE.format(
        title=text.title,
        rule=RULE,
        headline=headline(record),
        unfinished="" if record.finished else f"**{UNFINISHED}**\n\n",
        question=text.question,
        setup=bullets([*text.setup, *made_by(record)]),
        command=text.command,
        table=table or "Nothing was inverted yet.",
        resampled=text.resampled,
        answer=bullets(text.answer) or "Nothing was compared yet.",
        limits=bullets([*text.limits, *own_limits(record)]),
    )
    write_text(folder / "README.md", page)


def find_lead(record: ExperimentRecord) -> Lead | None:
    """Among the tables of most sources the one that leaked most; None where nothing was inverted yet.

    Tables of fewer pictures reach higher figures by chance.
    """
    kinds = ("psnr",) if record.experiment == "smoothing" else tuple(PHRASES)  # to judges, frames of a clip are alike
    summaries = [(group, summarise(group.results, kinds)) for group in record.groups]
    known = [(group, summary) for group, summary in summaries if summary.figure]
    if not known:
        return None
    most = max(group.results.num_sources for group, _ in known)
    largest = [each for each in known if each[0].results.num_sources == most]
    group, summary = max(largest, key=lambda each: each[0].results.row(each[1].method).scores[each[1].metric].mean)
    return Lead(group, summary, len(largest))


def headline(record: ExperimentRecord) -> str:
    """One sentence with its figure, and the table that it is of; says where nothing was inverted yet."""
    lead = find_lead(record)
    if lead is None:
        return NOTHING
    sentence = lead.summary.text.replace(lead.summary.figure, f"**{lead.summary.figure}**", 1)
    return f"{sentence}\n\n{lead.measured_on}"


def check_page(path: Path, title: str) -> None:
    """Refuse to overwrite what is no such page.

    Raises:
        ValueError: The file's first line is not the title.
    """
    first = path.read_text(errors="replace").partition("\n")[0] if path.is_file() else f"# {title}"
    if first != f"# {title}":
        raise ValueError(f"{path} begins with {first!r} and would be overwritten; allowed: no file, or '# {title}'")


def bullets(lines: Sequence[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {line}" for line in lines)


def made_by(record: ExperimentRecord) -> list[str]:
    """Pictures, seeds, machine and commits."""
    config, machine = record.config, record.made_by["environment"]
    seeds = ", ".join(map(str, config["seeds"]))
    commits = record.made_by.get("commits") or [record.made_by["commit"]]
    return [
        f"Pictures: {record.source}; target {config['target']['name']}, prior {config['prior']}; seeds {seeds}.",
        f"Seconds are an image's share of a batch on {machine['processor']}, {machine['threads']} thread(s)"
        f"{', ' + ', '.join(machine['gpus']) if machine['gpus'] else ''}.",
        f"Inverted at commit {', '.join(map(str, commits))}.",
    ]


def own_limits(record: ExperimentRecord) -> list[str]:
    """What is missing from the tables, and why."""
    reasons = {m.metric: m.reason for found in record.groups for m in found.results.missing}
    missing = {f"Not computed: {metric} ({reason})." for metric, reason in reasons.items()}
    fewest = sorted((found.results for found in record.groups), key=lambda results: results.num_sources)[:1]
    notes = [note.removeprefix(WARNING) for r in fewest for note in r.notes if note.startswith((WARNING, ONE_JUDGE))]
    return [*notes, *sorted(missing)]
