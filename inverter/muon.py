"""Muon: steps along orthogonalised momentum, which need fewer examples than Adam's where a training is short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.AdamW):
    """AdamW, but parameters of two or more dimensions step along the orthogonal factor of their Nesterov momentum.

    A convolution's weight counts as a matrix of its outputs by all the rest. The step is scaled to be as long as
    AdamW's usual one, so that one ``lr`` serves both kinds.

    Args:
        momentum: Of the matrices' gradients; the other arguments are AdamW's.
    Source:
        K. Jordan and others, "Muon: an optimizer for hidden layers in neural networks", 2024; its scale is that of
        arXiv:2502.16982, section 2.2. Differs: in float32, since CPUs without bfloat16 units multiply that slowly.
    """

    def __init__(self, *args: Any, momentum: float = 0.95, **options: Any) -> None:
        super().__init__(*args, **options)
        self.momentum = momentum

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One step of all parameters; the matrices' gradients are gone after it, so that AdamW leaves them alone."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim >= 2 and parameter.grad is not None:
                    self._descend(parameter, parameter.grad, group)
                    parameter.grad = None
        super().step()
        return loss

    def _descend(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(parameter)}  # AdamW asks all for their step
        state["step"] += 1
        average = state["momentum"].lerp_(gradient, 1 - self.momentum)
        update = orthogonalise(gradient.lerp(average, self.momentum).flatten(1))
        length = 0.2 * max(update.shape) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.sub_(update.view_as(parameter), alpha=group["lr"] * length)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """About the nearest matrix ``(m, n)`` with singular values of 1, by Newton-Schulz; they come out at 0.7 to 1.2."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix.float() if wide else matrix.float().T
    x = x / x.norm().clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.T).to(matrix)
