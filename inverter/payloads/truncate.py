"""``truncate:D``: the first entries only, as Matryoshka embeddings are shortened."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from inverter.payloads.payload import PAYLOADS, Coding, Sent, channel_axis, read_int


class Truncate(Coding):
    """The first ``num_kept`` numbers of a vector, or channels of a map or of tokens; the others arrive as 0.

    Their places are known and do not travel. Not scaled to length 1 again: cosine search does not ask for it, and
    ``truncate:D+normalise`` does it where a store does. The gradient is that of the kept numbers.

    Args:
        num_kept: Positive, and fewer than the features have.
    """

    form = "truncate:D"
    knows = "all of it"

    def __init__(self, num_kept: int) -> None:
        super().__init__()
        self.name, self.num_kept = f"truncate:{num_kept}", num_kept

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Truncate:
        return cls(read_int("D", argument, 1, 1 << 20))

    def check(self, shape: Sequence[int]) -> None:
        num_channels = shape[0] if len(shape) != 2 else shape[1]
        if num_channels <= self.num_kept:
            raise ValueError(
                f"payload={self.name}: features {tuple(shape)} have {num_channels} channels; "
                f"allowed: more than {self.num_kept}"
            )

    def transmit(self, sent: Sent) -> Sent:
        shape = sent.features.shape[1:]
        self.check(shape)
        kept = torch.zeros(shape, dtype=torch.bool, device=sent.features.device)
        kept.narrow(channel_axis(sent.features) - 1, 0, self.num_kept).fill_(True)
        return Sent(sent.features.where(kept | ~sent.features.isfinite(), 0.0), kept=kept)


PAYLOADS.register("truncate", Truncate)
