"""Adam with a state for each image, so that images can leave a batch, start over and slow down on their own."""

from __future__ import annotations

import math

import torch
from torch import Tensor

State = dict[str, Tensor]
BETAS = (0.9, 0.999)
EPS = 1e-8


def begin_adam(state: State, name: str) -> State:
    """``state`` with empty moments for the variable ``name`` ``(B, ...)``; ``NAME.t`` counts each image's steps."""
    value = state[name]
    count = torch.zeros(len(value), dtype=torch.float64, device=value.device)
    return {**state, f"{name}.m": torch.zeros_like(value), f"{name}.v": torch.zeros_like(value), f"{name}.t": count}


def adam_direction(
    state: State, name: str, gradient: Tensor, betas: tuple[float, float] = BETAS
) -> tuple[Tensor, State]:
    """Adam's direction, to be subtracted once multiplied by a rate, and the state with new moments.

    Source:
        arXiv:1412.6980, algorithm 1; equals ``torch.optim.Adam`` for one image.
    """
    m = state[f"{name}.m"].lerp(gradient, 1 - betas[0])
    v = state[f"{name}.v"] * betas[1] + (1 - betas[1]) * gradient.square()
    t = state[f"{name}.t"] + 1
    first, second = (_rows((1 - beta**t).to(gradient.dtype), gradient) for beta in betas)
    direction = (m / first) / ((v / second).sqrt() + EPS)
    return direction, {**state, f"{name}.m": m, f"{name}.v": v, f"{name}.t": t}


def decayed(value: float, name: str, decay: str, step: int, num_steps: int) -> float:
    """A rate or weight at a step, from 0, of ``num_steps``: ``constant``, or ``cosine`` from ``value`` to nearly 0.

    Raises:
        ValueError: ``decay``, the value of the key ``name``, is another one.
    """
    if decay == "constant":
        return value
    if decay == "cosine":
        return value * 0.5 * (1 + math.cos(math.pi * step / num_steps))
    raise ValueError(f"{name} is {decay!r}; allowed: cosine, constant")


def _rows(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))
