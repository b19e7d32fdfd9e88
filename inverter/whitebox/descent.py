"""What phases share that descend with Adam at a falling rate: ``direct``, ``latent`` and both phases of ``hybrid``."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from inverter.whitebox.adam import State, adam_direction, decayed
from inverter.whitebox.phase import Phase, rows


class Steps(Protocol):
    """Settings of a descent: ``lr_decay`` is cosine or constant."""

    num_steps: int
    lr: float
    lr_decay: str


class Descent(Phase):
    """A phase whose step is one of Adam.

    Args:
        config: Steps, and how the rate falls over them.
    Raises:
        ValueError: No step, or an unknown ``lr_decay``.
    """

    def __init__(self, config: Steps) -> None:
        super().__init__(config.num_steps)
        decayed(config.lr, "lr_decay", config.lr_decay, 0, 1)
        self.lr_decay = config.lr_decay

    def descend(self, state: State, name: str, gradient: Tensor, lr: float, step: int) -> State:
        """The state with the variable ``name`` ``(B, ...)`` after a step from the rate ``lr``."""
        direction, state = adam_direction(state, name, gradient)
        rate = decayed(lr, "lr_decay", self.lr_decay, step, self.num_steps) * rows(state["rate"], direction)
        return {**state, name: state[name] - rate * direction}
