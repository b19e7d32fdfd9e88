"""Does a judge find the class that a picture was prompted with?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.data import ImageNetInfo
from torch import Tensor

from inverter.evaluation.judges import Verdict


def judge_classes(judge: str, samples: Sequence[Mapping[str, Any]]) -> Tensor:
    """Number of each sample's class in a judge's output, ``(N,)``; -1 where the judge does not know it."""
    if judge == "residual":
        return torch.tensor([sample["label"] for sample in samples])
    numbers = {wnid: number for number, wnid in enumerate(ImageNetInfo("imagenet-1k").label_names())}
    return torch.tensor([numbers.get(sample["wnid"], -1) for sample in samples])


def top_hits(verdict: Verdict, classes: Tensor, top: int) -> Tensor:
    """Whether the class is among the first ``top`` of the judge, ``(M,)`` float64, of the M images with a class."""
    known = classes >= 0
    return (_ranked(verdict, top)[known] == classes[known, None]).any(1).double()


def shuffled_hits(verdict: Verdict, classes: Tensor, top: int) -> float | None:
    """Share of hits to expect were the classes shuffled among the M images with a class; None where M is 0."""
    known = classes >= 0
    if not known.any():
        return None
    total = verdict.probabilities.shape[1]
    named = _ranked(verdict, top)[known].flatten().bincount(minlength=total)
    asked = classes[known].bincount(minlength=total)
    return float((named * asked).sum() / known.sum() ** 2)


def _ranked(verdict: Verdict, top: int) -> Tensor:
    probabilities = verdict.probabilities
    return probabilities.topk(min(top, probabilities.shape[1]), dim=1).indices
