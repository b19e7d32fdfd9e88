"""``int8``: 8-bit quantisation."""

from __future__ import annotations

import reprlib
from functools import partial

import torch
from torch import Tensor

from inverter.payloads.minmax import FIT, MinMax, read_range
from inverter.payloads.packing import pack_images
from inverter.payloads.payload import PAYLOADS, Coding, Payload, Sent, StraightThrough, per_image, read_float, short

LEVELS = 127


class Int8(Coding):
    """Symmetric 8-bit quantisation and back, one scale per image's tensor; the gradient passes straight through.

    A byte a number, and the scale as a float32. ``int8:QUANTILE:fit`` is the fixed range of a vector store instead
    (:class:`QuantileInt8`).
    """

    name = "int8"
    form = "int8, int8:QUANTILE:fit or int8:QUANTILE:LOW:HIGH"
    knows = "all of it: the scale travels"

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Payload:
        return cls() if argument is None else QuantileInt8.from_argument(argument, seed)

    def transmit(self, sent: Sent) -> Sent:
        exact = sent.features.detach().float()
        scale = exact.flatten(1).abs().amax(1) / LEVELS
        step = per_image(scale, exact).clamp_min(torch.finfo(torch.float32).tiny)
        codes = torch.round(exact / step).clamp(-LEVELS, LEVELS)
        arrived = StraightThrough.apply(sent.features, (codes * step).to(sent.features.dtype))
        return Sent(arrived, partial(_encode, codes, scale, sent.kept), sent.kept)


class QuantileInt8(MinMax):
    """256 levels over a range that holds the share ``quantile`` of all numbers; the gradient passes straight through.

    A byte a number. The range leaves out as many of the smallest as of the largest numbers, which are clipped; with
    ``fit`` it is measured as that of ``minmax:8:fit``. Qdrant's scalar quantisation, with its ``quantile``, differs in
    its 128 levels.

    Args:
        quantile: From 0.5 to 1.
        limits: The range; None is not known yet.
    """

    def __init__(self, quantile: float, limits: tuple[float, float] | None = None) -> None:
        super().__init__(8, limits=limits, fit=limits is None)
        self.quantile = quantile
        self.name = ":".join(["int8", short(quantile), *(map(short, limits) if limits else [FIT])])

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> QuantileInt8:
        number, *rest = (argument or "").split(":")
        quantile = read_float("QUANTILE", number, 0, 1)
        if quantile < 0.5:
            raise ValueError(f"QUANTILE is {reprlib.repr(number)}; it must be at least 0.5")
        if rest == [FIT]:
            return cls(quantile)
        if len(rest) != 2:
            raise ValueError(f"behind QUANTILE stands {reprlib.repr(':'.join(rest))}")
        return cls(quantile, read_range(*rest))

    def _limits_of(self, features: Tensor) -> tuple[float, float]:
        ordered = features.float().flatten().sort().values
        left_out = int((1 - self.quantile) / 2 * len(ordered))
        return float(ordered[left_out]), float(ordered[len(ordered) - 1 - left_out])


def _encode(codes: torch.Tensor, scale: torch.Tensor, kept: torch.Tensor | None) -> list[bytes]:
    heads = [number.tobytes() for number in scale.cpu().numpy()]
    return pack_images(codes, lambda numbers: numbers.astype("int8").tobytes(), heads, kept)


PAYLOADS.register("int8", Int8)
