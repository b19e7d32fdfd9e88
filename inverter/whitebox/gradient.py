"""One query of the target and the gradient that comes with it, in half precision where that is finite."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverter.whitebox.adam import State
from inverter.whitebox.phase import Phase
from inverter.whitebox.problem import Problem


@dataclass(frozen=True)
class Evaluated:
    """A step's picture ``(B, 3, S, S)``, feature loss ``(B,)``, gradients and tensors to keep, all detached.

    ``finite`` ``(B,)`` says for which images all of it is.
    """

    image: Tensor
    feature_loss: Tensor
    gradients: State
    extra: State
    finite: Tensor


def differentiate(problem: Problem, phase: Phase, state: State, step: int, half: bool = False) -> Evaluated:
    """Render, query the target once an image, differentiate the sum of the images' losses: none sees another's.

    Args:
        problem: The batch.
        phase: Renders it.
        state: Where it is.
        step: Number of the step.
        half: bf16 autocast for denoiser, decoder and target.
    """
    leaves = {name: state[name].detach().clone().requires_grad_() for name in phase.variables}
    with torch.enable_grad():
        with torch.autocast(problem.device.type, dtype=torch.bfloat16, enabled=half):
            rendered = phase.render(problem, {**state, **leaves}, step)
            feature_loss = problem.goal.loss(rendered.image)
        total = feature_loss + rendered.penalty
        if problem.coupling is not None and phase.smoothed:
            total = total + problem.coupling.loss(leaves[phase.smoothed])
        grads = torch.autograd.grad(total.sum(), list(leaves.values()), allow_unused=True)
    gradients = {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), grads, strict=True)
    }
    image, feature_loss = rendered.image.detach(), feature_loss.detach()
    finite = feature_loss.isfinite() & finite_rows(image)
    for gradient in gradients.values():
        finite = finite & finite_rows(gradient)
    return Evaluated(image, feature_loss, gradients, {k: v.detach() for k, v in rendered.extra.items()}, finite)


def merge(one: Evaluated, other: Evaluated, rows: Tensor) -> Evaluated:
    """``one`` with ``rows`` ``(B,)`` replaced by those of ``other``, which holds nothing else."""

    def put(into: Tensor, values: Tensor) -> Tensor:
        into = into.clone()
        into[rows] = values.to(into.dtype)
        return into

    return Evaluated(
        put(one.image, other.image),
        put(one.feature_loss, other.feature_loss),
        {name: put(values, other.gradients[name]) for name, values in one.gradients.items()},
        {name: put(values, other.extra[name]) for name, values in one.extra.items()},
        put(one.finite, other.finite),
    )


def finite_rows(values: Tensor) -> Tensor:
    """For which images all of ``(B, ...)`` is finite, ``(B,)``."""
    return values.isfinite().reshape(len(values), -1).all(1)
