"""What a cut costs: frames beside it, found in the joined clip and in each shot alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inverter.evaluation.intervals import MIN_SOURCES, Difference, paired_bootstrap
from inverter.evaluation.labels import interval, number
from inverter.lab.experiments.answer import FEW
from inverter.lab.experiments.config import SmoothingExperimentConfig
from inverter.lab.experiments.measure import Group
from inverter.lab.experiments.picture_set import Picture
from inverter.lab.experiments.run import Job
from inverter.losses.quality import psnr

ALLOWED = 0.01
"""Share by which a side's feature loss may grow and still count as nothing lost."""


def side_notes(groups: Sequence[Group], config: SmoothingExperimentConfig) -> list[str]:
    """Sentences on the joined clip of each layer and method: every form, each side against its shot alone."""
    by_name = {(group.subject.name, group.clip, group.variant): group for group in groups}
    notes = []
    for group in groups:
        alone = [by_name[group.subject.name, shot, group.variant] for shot in group.shots]
        for form in group.begun if alone else ():
            sides = [_side(group, other, form, config) for other in alone]
            if None not in sides:
                notes.append(f"{group.name}, {form}: {'; '.join(map(str, sides))}.")
    return notes


def _side(joined: Group, shot: Group, form: str, config: SmoothingExperimentConfig) -> str | None:
    """What becomes of a shot when it is cut to the other."""
    pictures, jobs = list(shot.pictures), list(zip(joined.members[form], shot.members[form], strict=True))
    if not all({p.key for p in pictures} <= set(job.done()) for pair in jobs for job in pair):
        return None
    losses, decibels = ([_values(pair, pictures, kind) for pair in jobs] for kind in ("loop_loss", "psnr"))
    beside = -1 if joined.shots[0] == shot.clip else 0
    after, before = (torch.cat([part[i] for part in losses]) for i in (0, 1))
    at_cut = sum(float(d[0][beside] - d[1][beside]) for d in decibels) / len(decibels)
    blocks = [picture.block for picture in pictures] * len(jobs)
    change = paired_bootstrap(after, before, blocks, num_bootstrap=config.num_bootstrap, seed=config.seed)
    return f"{shot.clip} {describe(float(before.mean()), change)}, {at_cut:+.2f} dB in the frame at the cut"


def describe(alone: float, added: Difference) -> str:
    """Such as ``loses nothing (feature loss +0.3 %)``, where what the interval allows is below the allowed loss.

    Nothing is said of fewer than 20 sources.

    Args:
        alone: Feature loss of the shot alone.
        added: What cutting adds to it.
    """
    allowed, change = ALLOWED * alone, added.mean / alone
    if added.groups < MIN_SOURCES:
        word = FEW
    elif added.mean > allowed and added.excludes_zero:
        word = "loses"
    else:
        word = "loses nothing" if added.high is not None and added.high < allowed else "cannot be told"
    ends = interval("feature_loss", added.low, added.high, signed=True)
    return f"{word} (feature loss {change:+.1%}, {number('feature_loss', added.mean, signed=True)} {ends})".replace(
        " )", ")"
    )


def _values(pair: tuple[Job, Job], pictures: Sequence[Picture], kind: str) -> tuple[Tensor, Tensor]:
    keys = [picture.key for picture in pictures]
    if kind == "loop_loss":
        one, other = (torch.tensor([job.cell.rows[key][kind] for key in keys], dtype=torch.float64) for job in pair)
        return one, other
    original = torch.stack([picture.image for picture in pictures]).float() / 255
    one, other = (psnr(job.cell.images(keys), original) for job in pair)
    return one, other
