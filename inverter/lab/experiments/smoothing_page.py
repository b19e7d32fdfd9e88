"""The page of the smoothing experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inverter.evaluation.intervals import MIN_SOURCES
from inverter.lab.experiments.answer import overall, sentences
from inverter.lab.experiments.command import command
from inverter.lab.experiments.config import SmoothingExperimentConfig
from inverter.lab.experiments.page import Text
from inverter.lab.experiments.plot import panels
from inverter.lab.experiments.record import ExperimentRecord
from inverter.lab.experiments.report import write_pages

METRICS = ("psnr", "ssim", "flicker", "warping_error", "feature_loss", "agreement", "is")
ANSWERED = METRICS[:5]
KEY = ("psnr", "flicker", "warping_error", "feature_loss")
TITLE = "Temporal smoothing"
QUESTION = """Frames of a clip are inverted jointly, consecutive latents pulled together. Does that gain quality and
take flicker away, from which weight on, and what does it cost where the clip cuts to another scene? The paper's form
weighs every pair alike; the robust one lets go where the features of two frames are far apart."""
LIMITS = (
    "Intervals resample blocks of consecutive frames: they speak of these clips, at this size, and of no others.",
    "Warping error follows the optical flow of the original; frames across a cut have none and are left out.",
    "At the cut a side loses something where its feature loss grows by more than 1 % and the interval excludes 0, and "
    "nothing where the whole interval lies below 1 %; else it cannot be told. "
    f"Neither is said of fewer than {MIN_SOURCES} blocks.",
    "Frames that two windows share are inverted twice, at twice the cost, where `smoothing.window` is below the clip.",
    "The inception score needs 1,000 frames and one seed; else the paper's gain cannot be compared.",
)


def write(record: ExperimentRecord, cut: Sequence[str], results: Path, output: Path) -> None:
    """Table, plot and page, and the report.

    Args:
        record: What was found.
        cut: Sentences on the joined clip.
        results: Where table, plot and page go.
        output: Where the report goes.
    """
    names = list(dict.fromkeys(row.name for f in record.groups for row in f.results.rows if row.kind == "attack"))
    charts = panels(
        record.groups,
        ANSWERED,
        lambda found: f"{found.layer}, {found.variant.rpartition(', ')[2]}",
        lambda found: found.variant.rpartition(", ")[0],
    )
    write_pages(record, text(record, names, cut), charts, results, output)


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every form against none, and robust against paper at the same weight."""
    compared = [(name, "none") for name in names if name != "none"]
    return compared + [(n, n.replace("robust", "paper")) for n in names if n.startswith("robust ")]


def text(record: ExperimentRecord, names: Sequence[str], cut: Sequence[str]) -> Text:
    """What the page says."""
    answers = overall([group.results for group in record.groups], pairs(names), ANSWERED)
    details = [
        f"{group.title}: {line}" for group in record.groups for line in sentences(group.results, pairs(names), ANSWERED)
    ]
    config = record.config
    return Text(
        TITLE,
        QUESTION,
        [
            f"Frames a clip: {record.counts}.",
            f"Methods: {', '.join(config['methods'])}; every {config['video']['stride']}. frame of a clip is taken.",
            "`none` ties no frame to another, but `hybrid` draws all frames of a clip with one noise; "
            "`start` lets a frame start as the one before does, `paper` and `robust` add the weight behind their names "
            "times the mean squared difference of consecutive latents, or of consecutive pixels with `direct`.",
        ],
        command(record, SmoothingExperimentConfig),
        METRICS,
        [*answers, *(f"At the cut, against each shot alone: {line}" for line in cut)],
        details,
        LIMITS,
        resampled=f"blocks of {config['block']} frames",
        key=KEY,
    )
