"""A payload: what is done to features before they travel, made from its name."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from inverter.run.registry import Registry


class Payload(nn.Module):
    """Features ``(B, ...)`` in, what arrives of them out, in the same shape and dtype; the input is kept.

    A batch gets what its images would have got one by one. Registered by a name; ``name:argument`` builds it.
    """

    form: ClassVar[str]
    """How it is written, such as ``gaussian:STD``."""
    draws = False
    """Whether it adds noise that the attacker does not know; then it has a ``generator``."""
    name: str
    """As a spec keeps it."""
    generator: torch.Generator

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Payload:
        """Build it from what stands behind the colon, None without one.

        Args:
            argument: Such as ``0.1``.
            seed: Of what it draws.
        Raises:
            ValueError: It takes none, or another one.
        """
        if argument is not None:
            raise ValueError("it takes no argument")
        return cls()

    def restart(self, seed: int) -> None:
        """Begin its noise anew; one that draws none has nothing to begin."""
        if self.draws:
            self.generator.manual_seed(seed)


PAYLOADS: Registry[type[Payload]] = Registry("payload", "inverter.payloads")


def make_payload(payload: str, seed: int = 0) -> Payload:
    """Build what is applied to features before they travel.

    Args:
        payload: ``NAME`` or ``NAME:ARGUMENT``, such as ``identity``, ``int8`` or ``gaussian:0.1``.
        seed: Seeds the noise of payloads that draw.
    Raises:
        ValueError: ``payload`` is unknown, or its argument is not allowed.
    """
    name, separator, argument = payload.partition(":")
    if name not in PAYLOADS.names():
        raise ValueError(f"payload={payload!r} is unknown; allowed are {', '.join(forms())}")
    try:
        return PAYLOADS[name].from_argument(argument if separator else None, seed)
    except ValueError as error:
        raise ValueError(f"payload={payload!r}: {error}; allowed are {', '.join(forms())}") from error


def forms() -> list[str]:
    """How each payload is written."""
    return [PAYLOADS[name].form for name in PAYLOADS.names()]


def per_image(values: Tensor, features: Tensor) -> Tensor:
    """``(B,)`` shaped to broadcast over ``(B, ...)``."""
    return values.view(-1, *[1] * (features.ndim - 1))


class StraightThrough(torch.autograd.Function):
    """Values of the second argument, gradient of the identity in the first."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, features: Tensor, sent: Tensor) -> Tensor:
        return sent

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None
