"""``packets:P``: channels lost in bursts, as packets are on a bad line."""

from __future__ import annotations

import reprlib

import torch
from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Drawing, Sent, channel_axis, read_float, short


class Packets(Drawing):
    """Each channel is a packet; the share ``p`` of them is lost, ``burst`` in a row on average, and arrives as 0.

    Channels are those of maps ``(C, h, w)`` and of tokens ``(N, D)``, D, and the numbers of a vector, in their order. A
    line that is good or bad, and loses every packet while it is bad, is left for the other state with fixed
    probabilities. What is lost was sent: bytes are those of the payload before it, or 4 a number. Numbers that arrive
    pass their gradient on.

    Args:
        p: Above 0 and at most 0.5.
        burst: Mean length of a loss in packets, from 1.
        seed: Seeds the generator.
    Source:
        Gilbert 1960, Elliott 1963, the losses 0 and 1 in the two states. A packet is no fixed number of bytes here.
    """

    form = "packets:P or packets:P:BURST"
    knows = "which channels are lost, as they arrive as 0"
    ends = True

    def __init__(self, p: float, burst: float = 4.0, seed: int = 0) -> None:
        super().__init__(seed)
        self.p, self.burst = p, burst
        self.name = f"packets:{short(p)}" + (f":{short(burst)}" if burst != 4 else "")

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Packets:
        number, *rest = (argument or "").split(":")
        if len(rest) > 1:
            raise ValueError(f"behind BURST stands {reprlib.repr(':'.join(rest[1:]))}")
        burst = read_float("BURST", rest[0], 0, 1e6) if rest else 4.0
        if burst < 1:
            raise ValueError(f"BURST is {burst:g}; it must be a number from 1")
        return cls(read_float("P", number, 0, 0.5), burst, seed)

    def forward(self, features: Tensor) -> Tensor:
        axis = channel_axis(features)
        shape = [1] * (features.ndim - 1)
        shape[axis - 1] = -1
        arrives = self.draw(features, lambda size, generator: ~self._lost(size[axis - 1], generator).view(shape))
        return features * arrives

    def transmit(self, sent: Sent) -> Sent:
        return Sent(self(sent.features), sent.codes, sent.kept)

    def _lost(self, num_channels: int, generator: torch.Generator) -> Tensor:
        leave = 1 / self.burst
        enter = self.p * leave / (1 - self.p)
        draws = torch.rand(num_channels, generator=generator, dtype=torch.float64).tolist()
        lost, bad = [], draws[0] < self.p
        for number, draw in enumerate(draws):
            if number:
                bad = draw >= leave if bad else draw < enter
            lost.append(bad)
        return torch.tensor(lost)


PAYLOADS.register("packets", Packets)
