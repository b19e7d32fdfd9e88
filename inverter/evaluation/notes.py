"""Sentences of an evaluation about itself: what limits its claims, and which operating point to believe."""

from collections.abc import Sequence

from inverter.evaluation.intervals import MIN_SOURCES, Bootstrap
from inverter.evaluation.judges import Judge
from inverter.evaluation.nearest import Nearest
from inverter.evaluation.results import Comparison

SAME_PICTURE = 50.0  # dB between two pictures that are one, stored twice
WARNING, ONE_JUDGE = "Warning: ", "One judge only: "
"""How notes begin that limit what is claimed."""


def own_notes(bootstrap: Bootstrap, judges: Sequence[Judge], nearest: Nearest | None) -> list[str]:
    """How many pictures and sources there are, and what of them, of the training pairs and of judges limits claims."""
    notes = [f"{bootstrap.n} images cut from {bootstrap.num_groups} sources; intervals resample the sources."]
    if bootstrap.num_groups < MIN_SOURCES:
        notes.insert(
            0,
            f"{WARNING}{bootstrap.num_groups} independent sources are few. Intervals that resample them are rough and "
            f"too narrow; better and worse are said from {MIN_SOURCES} on.",
        )
    if nearest is not None and (repeated := int((nearest.psnr >= SAME_PICTURE).sum())):
        notes.insert(
            0,
            f"{WARNING}{repeated} of the {bootstrap.n} pictures evaluated are among the training pairs: what comes "
            "back of them may be remembered.",
        )
    if len(judges) == 1:
        notes.append(f"{ONE_JUDGE}what it says of recognition has not been confirmed by a second.")
    return notes


def preferred_point(comparisons: Sequence[Comparison]) -> list[str]:
    """Which operating point to believe of what is recognised; nothing where not both were judged."""
    judged = [c for c in comparisons if (c.a, c.b) == ("sample", "mean") and c.metric.startswith("reid_mrr/")]
    if not judged:
        return []
    if judged[0].groups < MIN_SOURCES:
        return [f"Whether `sample` or `mean` is to be believed more, {judged[0].groups} sources are too few to say."]
    if not all(c.claim for c in judged):
        return ["`sample` and `mean` re-identify alike, or the judges disagree: neither is to be believed more."]
    if judged[0].difference > 0:
        return [
            "`sample` re-identifies better than `mean`: believe it for what can be recognised, `mean` for nearness."
        ]
    return ["`sample` re-identifies worse than `mean`: believe `mean`; what is drawn beyond it is not in the features."]
