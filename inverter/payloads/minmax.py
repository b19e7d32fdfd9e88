"""``minmax:BITS``: uniform quantisation between the smallest and the largest number."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from inverter.payloads.packing import pack_bits, pack_images
from inverter.payloads.payload import (
    PAYLOADS,
    Coding,
    Sent,
    StraightThrough,
    channel_axis,
    per_image,
    read_float,
    read_int,
    short,
)

CHANNEL, FIT = "channel", "fit"


class MinMax(Coding):
    """``2**bits`` equal steps over a range, and back; the gradient passes straight through.

    ``bits`` bits a number, without a gap. The range is that of each image's tensor, or with ``minmax:BITS:channel`` of
    each of its channels (C of maps, D of tokens): it travels too, as two float32. ``minmax:BITS:LOW:HIGH`` is a
    deployment's fixed range, which both sides know and what lies outside is clipped to; ``minmax:BITS:fit`` is such a
    range before it is known: `prepare` measures it on the first training pictures and notes it in the target's spec.

    Args:
        bits: From 1 to 16.
        by_channel: A range for each channel.
        limits: Fixed range; None is that of each image.
        fit: The range is not known yet.
    """

    form = "minmax:BITS, minmax:BITS:channel, minmax:BITS:LOW:HIGH or minmax:BITS:fit"
    knows = "all of it: ranges travel, or are fixed"

    def __init__(
        self, bits: int, by_channel: bool = False, limits: tuple[float, float] | None = None, fit: bool = False
    ) -> None:
        super().__init__()
        self.bits, self.by_channel, self.limits, self.fits = bits, by_channel, limits, fit
        behind = [CHANNEL] if by_channel else [FIT] if fit else map(short, limits or ())
        self.name = ":".join(["minmax", str(bits), *behind])

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> MinMax:
        number, *rest = (argument or "").split(":")
        bits = read_int("BITS", number, 1, 16)
        if rest in ([], [CHANNEL], [FIT]):
            return cls(bits, by_channel=rest == [CHANNEL], fit=rest == [FIT])
        if len(rest) != 2:
            raise ValueError(f"behind BITS stands {reprlib.repr(':'.join(rest))}")
        return cls(bits, limits=read_range(*rest))

    def check(self, shape: Sequence[int]) -> None:
        if self.by_channel and len(shape) == 1:
            raise ValueError(f"payload={self.name}: a vector has one number a channel; allowed: minmax:{self.bits}")

    def fitted(self, features: Tensor, kept: Tensor | None = None) -> str:
        if not self.fits:
            return self.name
        features = features if kept is None else features[kept.expand_as(features)]
        low, high = self._limits_of(features)
        if not low < high:
            raise ValueError(f"payload={self.name}: all features are {low:g}; allowed: some that differ")
        return f"{self.name.removesuffix(FIT)}{short(low)}:{short(high)}"

    def _limits_of(self, features: Tensor) -> tuple[float, float]:
        """The range of numbers that were measured."""
        return float(features.min()), float(features.max())

    def transmit(self, sent: Sent) -> Sent:
        exact = sent.features.detach().float()
        low, high = self._range(exact, sent.kept)
        levels = (1 << self.bits) - 1
        step = ((high - low) / levels).clamp_min(torch.finfo(torch.float32).tiny)
        codes = torch.round((exact.clamp(low, high) - low) / step).clamp(0, levels)
        arrived = (low + codes * step).masked_fill(~exact.isfinite(), torch.nan)
        if sent.kept is not None:
            arrived = arrived * sent.kept
        heads = None if self.limits else (low, high)
        out = StraightThrough.apply(sent.features, arrived.to(sent.features.dtype))
        return Sent(out, partial(_encode, codes, heads, self.bits, sent.kept), sent.kept)

    def _range(self, exact: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor]:
        """Smallest and largest number that a code stands for, shaped to broadcast over features."""
        if self.fits:
            raise ValueError(
                f"payload={self.name} has no range yet, which prepare measures on training pairs and notes in their "
                f"manifest; allowed: {self.name.removesuffix(FIT)}LOW:HIGH"
            )
        if self.limits:
            low, high = exact.new_tensor(self.limits)
            return per_image(low.repeat(len(exact)), exact), per_image(high.repeat(len(exact)), exact)
        axis = channel_axis(exact) if self.by_channel else 0
        axes = [each for each in range(1, exact.ndim) if each != axis]
        if kept is None:
            return exact.amin(axes, keepdim=True), exact.amax(axes, keepdim=True)
        kept = kept.expand_as(exact)
        any_kept, inf = kept.any(dim=axes, keepdim=True), torch.inf  # type: ignore[call-overload]
        low = exact.masked_fill(~kept, inf).amin(axes, keepdim=True)
        high = exact.masked_fill(~kept, -inf).amax(axes, keepdim=True)
        return low.where(any_kept, 0.0), high.where(any_kept, 0.0)


def read_range(lowest: str, highest: str) -> tuple[float, float]:
    """LOW and HIGH of a fixed range.

    Raises:
        ValueError: One is no number, HIGH is not above LOW, or they are too far apart for float32.
    """
    low = read_float("LOW", lowest, -3e38, 3e38)
    high = read_float("HIGH", highest, low, 3e38)
    if high - low > 3e38:
        raise ValueError(f"HIGH - LOW is {high - low:g}; it must be at most 3e+38")
    return low, high


def _encode(codes: Tensor, limits: tuple[Tensor, Tensor] | None, bits: int, kept: Tensor | None) -> list[bytes]:
    heads = None
    if limits is not None:
        both = torch.stack([limit.flatten(1) for limit in limits], 1).cpu().numpy()
        heads = [ranges.astype("<f4").tobytes() for ranges in both]
    return pack_images(codes, lambda numbers: pack_bits(numbers, bits), heads, kept)


PAYLOADS.register("minmax", MinMax)
