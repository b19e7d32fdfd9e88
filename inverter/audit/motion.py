"""Whether the reconstructions of a clip move as the clip does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torchvision.io import decode_image

from inverter.audit.metrics import read_per_image
from inverter.audit.picture_sheet import SHOWN
from inverter.audit.plan import Step
from inverter.data.manifest import Manifest
from inverter.evaluation.harness import ORIGINAL
from inverter.evaluation.recon_files import recon_path

VIDEO = "video:"
"""Sources whose pictures of one group are whole frames in order; crops at random places do not follow each other."""


def read_motion(step: Step) -> dict[str, float]:
    """How much each operating point changes from frame to frame over how much the clips themselves do.

    Empty where the layer was not evaluated on clips, or nothing moves in them.
    """
    if not Manifest.load(step.pairs / "val").source.startswith(VIDEO):
        return {}
    per_image, folder = read_per_image(step.evaluation / "per_image.csv"), step.evaluation / "recon"
    clips: dict[str, list[str]] = {}
    for key, group in zip(per_image.keys, per_image.groups, strict=True):
        clips.setdefault(group, []).append(key)
    changes = {name: sum(_change(folder, name, keys) for keys in clips.values()) for name in (ORIGINAL, *SHOWN)}
    still = changes.pop(ORIGINAL)
    return {name: change / still for name, change in changes.items()} if still else {}


def motion(frames: Tensor) -> float:
    """Sum over consecutive frames ``(T, 3, H, W)`` of their mean absolute difference, in the unit of the frames."""
    return frames.double().diff(dim=0).abs().flatten(1).mean(1).sum().item()


def _change(folder: Path, method: str, keys: Sequence[str]) -> float:
    total = 0.0
    for pair in pairwise(keys):  # two frames in memory, however long the clip
        total += motion(torch.stack([decode_image(str(recon_path(folder, method, key))) for key in pair]))
    return total
