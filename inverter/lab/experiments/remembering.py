"""A judge that looks at no picture twice: originals and distractors are the same in every table of an experiment."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from inverter.evaluation.judges import Judge, Verdict


class RememberingJudge(Judge):
    """Like the judge that it is made of.

    Args:
        judge: Looks at what was not seen before.
    """

    def __init__(self, judge: Judge) -> None:
        super().__init__(judge.name, judge.label, judge.classifier, batch_size=judge.batch_size, device=judge.device)
        self.seen: dict[str, tuple[Tensor, Tensor]] = {}

    def look(self, images: Tensor) -> Verdict:
        names = [hashlib.sha256(image.cpu().contiguous().numpy().tobytes()).hexdigest() for image in images]
        new = [i for i, name in enumerate(names) if name not in self.seen]
        if new:
            verdict = super().look(images[new])
            for i, rows in zip(new, zip(verdict.probabilities, verdict.embeddings, strict=True), strict=True):
                self.seen[names[i]] = rows
        probabilities, embeddings = zip(*(self.seen[name] for name in names), strict=True)
        return Verdict(torch.stack(probabilities), torch.stack(embeddings))
