"""What the loop knows of every image: the best iterate so far, what it cost, and whether it is done."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverter.whitebox.adam import State

COUNTS = ("target_queries", "denoiser_calls", "steps", "repaired")


@dataclass
class SearchState:
    """Rows of all B images, also of those that left the batch.

    Args:
        best: ``image``, ``feature_loss`` and the method's variables of the best iterate, each with B rows.
        counts: ``target_queries``, ``denoiser_calls``, ``steps`` and ``repaired`` of each image, ``(B,)`` integers.
        first_loss: Feature loss ``(B,)`` of the first iterate; infinite before it.
        reference: Feature loss ``(B,)`` that the next improvement is measured against.
        stale: Steps ``(B,)`` since the last improvement.
    """

    best: State
    counts: State
    first_loss: Tensor
    reference: Tensor
    stale: Tensor

    @classmethod
    def empty(cls, size: int, dtype: torch.dtype, device: torch.device) -> SearchState:
        """Nothing found, nothing spent."""
        infinite = torch.full((size,), torch.inf, dtype=dtype, device=device)
        zero = torch.zeros(size, dtype=torch.int64, device=device)
        counts = {name: zero.clone() for name in COUNTS}
        return cls({"feature_loss": infinite.clone()}, counts, infinite.clone(), infinite.clone(), zero.clone())

    def offer(self, rows: Tensor, feature_loss: Tensor, iterates: State, min_improvement: float) -> None:
        """Keep the iterates ``iterates`` of the images ``rows`` that have a lower feature loss than any before."""
        size = len(self.first_loss)
        for name, values in iterates.items():
            if name not in self.best:
                self.best[name] = torch.zeros(size, *values.shape[1:], dtype=values.dtype, device=values.device)
        first = self.first_loss[rows].isinf()
        self.first_loss[rows[first]] = feature_loss[first]
        better = feature_loss < self.best["feature_loss"][rows]
        for name, values in {**iterates, "feature_loss": feature_loss}.items():
            self.best[name][rows[better]] = values[better]
        improved = feature_loss < self.reference[rows] * (1 - min_improvement)
        self.reference[rows[improved]] = feature_loss[improved]
        self.stale[rows] = torch.where(improved, 0, self.stale[rows] + 1)

    def next_phase(self) -> None:
        """Patience begins anew."""
        self.reference.fill_(torch.inf)
        self.stale.zero_()

    def tensors(self) -> State:
        """Everything, under names that :meth:`restore` knows."""
        fixed = {"first_loss": self.first_loss, "reference": self.reference, "stale": self.stale}
        best = {f"best.{name}": values for name, values in self.best.items()}
        return {**fixed, **best, **{f"counts.{name}": values for name, values in self.counts.items()}}

    @classmethod
    def restore(cls, tensors: State) -> SearchState:
        """Inverse of :meth:`tensors`."""
        parts = {
            part: {
                name.removeprefix(f"{part}."): values for name, values in tensors.items() if name.startswith(f"{part}.")
            }
            for part in ("best", "counts")
        }
        fixed = {name: tensors[name] for name in ("first_loss", "reference", "stale")}
        return cls(**parts, **fixed)  # type: ignore[arg-type]
