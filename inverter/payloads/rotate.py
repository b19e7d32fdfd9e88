"""``rotate``: a secret rotation of the channels."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Payload, channel_axis


class Rotate(Payload):
    """Channels mixed by a secret orthogonal map, the same at every position; the gradient is the map's own.

    The key is drawn once a session, uniformly among orthogonal maps, and a session begins where noise would begin anew:
    with every shard of `prepare`, with every picture of `invert`. One key serves all pictures of a session. Who holds
    it undoes it without loss. An attacker without it trains on pairs of other sessions, whose keys are not that of the
    session attacked, and so learns from what no rotation changes: norms and angles between positions. Attacks that
    align sessions by their statistics, such as the covariance of channels, were not tried. Features that the target
    gives in another session are of no use to compare with, so that the feature cosine of an evaluation says nothing.
    Four bytes a number.

    Args:
        seed: Seeds the key.
    """

    form = name = "rotate"
    knows = "that channels are rotated, and pairs of other sessions, not the key of the session attacked"
    draws = True

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.restart(seed)

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Rotate:
        if argument is not None:
            raise ValueError("it takes no argument")
        return cls(seed)

    def restart(self, seed: int) -> None:
        self.seed = seed
        self._keys: dict[int, Tensor] = {}

    def forward(self, features: Tensor) -> Tensor:
        return _map_channels(features, self._key(features.shape[channel_axis(features)]))

    def unlock(self, features: Tensor) -> Tensor:
        return _map_channels(features, self._key(features.shape[channel_axis(features)]).T)

    def _key(self, size: int) -> Tensor:
        """The map ``(C, C)`` of this session."""
        if size not in self._keys:
            normal = torch.randn(size, size, generator=torch.Generator().manual_seed(self.seed), dtype=torch.float64)
            q, r = torch.linalg.qr(normal)
            self._keys[size] = q * r.diagonal().sign()  # which makes it uniform
        return self._keys[size]


def _map_channels(features: Tensor, key: Tensor) -> Tensor:
    axis, key = channel_axis(features), key.to(features)
    rows = [image @ key for image in features.movedim(axis, -1)]  # of a batch the last bits would be others
    return torch.stack(rows).movedim(-1, axis)


PAYLOADS.register("rotate", Rotate)
