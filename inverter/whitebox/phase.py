"""What a phase of a method gives to the loop: a start, a picture of its state, and the state after a gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inverter.whitebox.adam import State
from inverter.whitebox.problem import Problem


@dataclass(frozen=True)
class Rendered:
    """A state's picture ``(B, 3, S, S)`` in [0, 1], what is added to its feature loss ``(B,)``, and tensors to keep."""

    image: Tensor
    penalty: Tensor
    extra: State = field(default_factory=dict)


class Phase(ABC):
    """Some gradient steps of a search; every tensor of its state has a row an image, and no row depends on another.

    Args:
        num_steps: Gradient steps.
    """

    variables: tuple[str, ...]
    """Entries of the state that gradients are taken of; the best ones are kept."""
    smoothed: str | None = None
    """The variable that is smoothed over the frames of a clip."""
    patient = False
    """Whether a schedule has to be finished: then no image leaves for want of improvement."""

    def __init__(self, num_steps: int) -> None:
        if num_steps < 1:
            raise ValueError(f"num_steps is {num_steps}; allowed: 1 or more")
        self.num_steps = self.steps_wanted = num_steps

    def fit(self, max_queries: int | None) -> None:
        """Plan for a budget of target queries an image: fewer ``num_steps`` than ``steps_wanted``, one query each."""
        if max_queries is not None:
            self.num_steps = max(1, min(self.num_steps, max_queries))

    @abstractmethod
    def begin(self, problem: Problem, best: State | None) -> State:
        """The first state; ``best`` is what an earlier phase found (``image`` among it), None in the first."""

    def prepare(self, problem: Problem, state: State, step: int) -> State:
        """The state that a step renders, of the one before it; no gradient flows through what is done here."""
        return state

    @abstractmethod
    def render(self, problem: Problem, state: State, step: int) -> Rendered:
        """The picture of a state, differentiable in the variables."""

    @abstractmethod
    def update(self, problem: Problem, state: State, gradients: State, extra: State, step: int) -> State:
        """The state after a step; ``gradients`` has an entry for each variable."""

    def prepare_calls(self, problem: Problem, step: int) -> int:
        """Denoiser calls an image that :meth:`prepare` makes."""
        return 0

    def calls(self, problem: Problem, step: int) -> int:
        """Denoiser calls an image that :meth:`render` makes, without what the backward pass computes again."""
        return 0

    def repair(self, problem: Problem, state: State, best: State, extra: State, step: int) -> State:
        """The state after a step that was not finite even in float32: the best variables, no moments, half the rate."""
        repaired = {name: best.get(name, value) for name, value in state.items()}
        for name in self.variables:
            repaired |= {f"{name}.{part}": torch.zeros_like(state[f"{name}.{part}"]) for part in "mvt"}
        return {**repaired, "rate": state["rate"] / 2}


def rates(like: Tensor) -> Tensor:
    """Factor of each image's learning rate, 1 at the start, of a variable ``(B, ...)``."""
    return torch.ones(len(like), dtype=like.dtype, device=like.device)


def rows(values: Tensor, like: Tensor) -> Tensor:
    """``(B,)`` shaped to broadcast over ``(B, ...)``."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))
