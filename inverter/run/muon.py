"""Muon: steps along orthogonalised momentum, which need fewer examples than Adam's where a training is short."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonal factor of the Nesterov momentum; parameters of one dimension step as with AdamW.

    A weight of more than two dimensions counts as a matrix of its first dimension by all the rest. Steps are scaled to
    be as long as AdamW's usually are, so that one ``lr`` serves both kinds.

    Args:
        params: Parameters, or groups with settings of their own.
        lr: Learning rate of both kinds.
        betas: AdamW's.
        eps: AdamW's.
        weight_decay: Decoupled, of both kinds.
        momentum: Of the matrices' gradients, in [0, 1).
    Raises:
        ValueError: A momentum outside its range.
    Source:
        K. Jordan and others, "Muon: an optimizer for hidden layers in neural networks", 2024; the steps' length is that
        of arXiv:2502.16982, section 2.2. Differs: in float32, since CPUs without bfloat16 units multiply that slowly;
        first and last layers and embeddings are not left to AdamW.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        momentum: float = 0.95,
    ) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum}; allowed: 0 to below 1")
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One step of every parameter that has a gradient; what ``closure`` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in moved:
                if parameter.ndim >= 2:
                    self._orthogonal_step(parameter, group)
            self._adamw_step([parameter for parameter in moved if parameter.ndim < 2], group)
        return loss

    def _orthogonal_step(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        average = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
        update = orthogonalise(parameter.grad.lerp(average, group["momentum"]).flatten(1))
        length = 0.2 * max(update.shape) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.sub_(update.view_as(parameter), alpha=group["lr"] * length)

    def _adamw_step(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            if not self.state[parameter]:
                zeros = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                self.state[parameter].update(step=torch.zeros(()), **zeros)
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters],
            *([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq")),
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


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
