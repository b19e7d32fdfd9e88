"""Which weights of a split network are the device's, and which the server's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverter.targets.preprocess import trying
from inverter.targets.split import Split


def device_weights(split: Split) -> list[str]:
    """Names of the weights that the features depend on, and the server's half does not.

    Raises:
        ValueError: There are none.
    """
    device, server = _reached(split)
    if not (names := [name for name in device if name not in set(server)]):
        raise ValueError(
            f"target.layer={split.target.layer!r} has no weight before it that can be trained; "
            "allowed: a layer behind some, whose features carry a gradient"
        )
    return names


def server_weights(split: Split) -> list[str]:
    """Names of the weights that the answer depends on, given the features."""
    return _reached(split)[1]


def _reached(split: Split) -> tuple[list[str], list[str]]:
    named = {name: value for name, value in split.network.named_parameters() if value.is_floating_point()}
    wanted = {name: value.requires_grad for name, value in named.items()}
    size, mean = split.target.spec.input_size, split.target.preprocess.mean
    try:
        for value in named.values():
            value.requires_grad_(True)
        with trying(split.target.spec.name, size), torch.enable_grad():
            features = split.layer_features(torch.full((2, 3, size, size), 0.5, device=mean.device))
            device = _with_gradient(features, named)
            server = _with_gradient(split.answer_to(features.detach()), named)
    finally:
        for name, value in named.items():
            value.requires_grad_(wanted[name])
    return device, server


def _with_gradient(output: Tensor, named: dict[str, nn.Parameter]) -> list[str]:
    if not output.requires_grad:
        return []
    gradients: Sequence[Tensor | None] = torch.autograd.grad(output.float().sum(), [*named.values()], allow_unused=True)
    return [name for name, gradient in zip(named, gradients, strict=True) if gradient is not None]
