"""Reconstructions on disk, handed to the harness as if they were made now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from inverter.lab.experiments.picture_set import Picture, batches
from inverter.lab.experiments.run import Job
from inverter.lab.experiments.subject import Subject


class Replay:
    """Reconstructions of the jobs, seed after seed, in place of an attack that would make them."""

    def __init__(self, jobs: Sequence[Job], pictures: Sequence[Picture], size: int) -> None:
        self.parts = (job.cell.images([p.key for p in part]) for job in jobs for part in batches(pictures, size))

    def __call__(self, features: Tensor) -> Tensor:
        return next(self.parts).to(features.device)


def stream(
    subject: Subject, pictures: Sequence[Picture], seeds: Sequence[int], size: int
) -> Iterator[Mapping[str, Any]]:
    """Batches as ``evaluate`` takes them: all pictures once a seed."""
    for seed in seeds:
        for part in batches(pictures, size):
            keys = [picture.key for picture in part]
            images = torch.stack([picture.image for picture in part])
            yield {
                "key": keys if len(seeds) == 1 else [f"{key}+seed={seed}" for key in keys],
                "image": images.float() / 255,
                "features": subject.features(list(images), keys, seed),
                "text": [picture.caption for picture in part],
                "group": [picture.block or picture.group for picture in part],
            }
