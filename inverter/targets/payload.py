"""What travels from the device: the features as they are, quantised, or with noise added as a defence."""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

INT8_LEVELS = 127


class Identity(nn.Module):
    """The features, untouched."""

    name = "identity"

    def forward(self, features: Tensor) -> Tensor:
        return features


class Int8(nn.Module):
    """Symmetric 8-bit quantisation and back, one scale per image's tensor; the gradient passes straight through."""

    name = "int8"

    def forward(self, features: Tensor) -> Tensor:
        exact = features.detach().float()
        scale = _per_image(exact.flatten(1).abs().amax(1), exact) / INT8_LEVELS
        scale = scale.clamp_min(torch.finfo(torch.float32).tiny)
        sent = torch.round(exact / scale).clamp(-INT8_LEVELS, INT8_LEVELS) * scale
        return _StraightThrough.apply(features, sent.to(features.dtype))


class Gaussian(nn.Module):
    """Normal noise, its deviation ``std`` times that of each image's features; the gradient passes unchanged.

    Every image draws from the payload's own generator in turn, so the noise differs between images and calls, a batch
    gets what its images would have got one by one, and a target loaded anew with the same seed repeats it.

    Args:
        std: Deviation of the noise relative to that of the features, positive.
        seed: Seeds the generator.
    """

    allowed: ClassVar[str] = "gaussian:STD with a positive finite STD, such as gaussian:0.1"

    def __init__(self, std: float, seed: int = 0) -> None:
        super().__init__()
        if not (math.isfinite(std) and std > 0):
            raise ValueError(f"payload: std={std} must be positive and finite ({self.allowed})")
        self.name = f"gaussian:{std:g}"
        self.std = std
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, features: Tensor) -> Tensor:
        # drawn on the CPU, one image at a time: the same numbers on every device and for every batch size
        noise = torch.stack([torch.randn(features.shape[1:], generator=self.generator) for _ in range(len(features))])
        exact = features.detach().float()
        deviation = _per_image(exact.flatten(1).std(1, correction=0), exact)
        return features + (self.std * deviation * noise.to(exact.device)).to(features.dtype)


PAYLOADS = ("identity", "int8", "gaussian:STD")


def make_payload(payload: str, seed: int = 0) -> Identity | Int8 | Gaussian:
    """Build what is applied to features before they travel.

    Args:
        payload: ``identity``, ``int8`` or ``gaussian:STD``.
        seed: Seeds the noise of ``gaussian``; the others are deterministic.
    Raises:
        ValueError: ``payload`` is none of these.
    """
    name, separator, argument = payload.partition(":")
    if payload == "identity":
        return Identity()
    if payload == "int8":
        return Int8()
    if name == "gaussian" and separator:
        try:
            return Gaussian(float(argument), seed)
        except ValueError as error:
            raise ValueError(f"payload={payload!r} must be {Gaussian.allowed}") from error
    raise ValueError(f"payload={payload!r} is unknown; allowed are {', '.join(PAYLOADS)}")


class _StraightThrough(torch.autograd.Function):
    """Values of the second argument, gradient of the identity in the first."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, features: Tensor, sent: Tensor) -> Tensor:
        return sent

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


def _per_image(values: Tensor, features: Tensor) -> Tensor:
    """``(B,)`` shaped to broadcast over ``(B, ...)``."""
    return values.view(-1, *[1] * (features.ndim - 1))
