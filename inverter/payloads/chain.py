"""Payloads that are applied one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from inverter.payloads.payload import CHAIN, Coding, Payload, Sent, make_payload
from inverter.run.seeds import derive_seed


class Chain(Coding):
    """Payloads in order; the last that codes decides in which bytes features travel.

    Args:
        parts: Two or more.
        seed: Of the parts that draw, each of which gets its own.
    Raises:
        ValueError: ``identity`` is among them, or one cannot stand where it does.
    """

    def __init__(self, parts: Sequence[Payload], seed: int = 0) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.name = CHAIN.join(part.name for part in parts)
        self.knows = "; ".join(f"{part.name}: {part.knows}" for part in parts)
        self.draws = any(part.draws for part in parts)
        self.fits = any(part.fits for part in parts)
        self.num_fit = max((part.num_fit for part in parts if part.fits), default=self.num_fit)
        for part, after in zip(parts, [*parts[1:], None], strict=True):
            if part.name == "identity":
                raise ValueError(f"payload={self.name}: identity changes nothing; allowed: alone")
            if part.ends and after is not None:
                raise ValueError(f"payload={self.name}: {after.name} after {part.name}; allowed: {part.name} last")
        self.whole = any(part.whole for part in parts)
        lossy = next((part for part in parts if part.ends and not part.whole), None)
        if lossy is not None and self.whole:
            one = next(part.name for part in parts if part.whole)
            raise ValueError(
                f"payload={self.name}: {lossy.name} after {one}, which codes all channels together; "
                f"allowed: {lossy.name} after payloads that code each channel"
            )
        self.restart(seed)

    @property
    def _each(self) -> list[Payload]:
        return [cast(Payload, part) for part in self.parts]

    @property
    def known(self) -> str:
        return CHAIN.join(name for name in (part.known for part in self._each) if name != "identity") or "identity"

    def check(self, shape: Sequence[int]) -> None:
        for part in self._each:
            part.check(shape)

    def fitted(self, features: Tensor, kept: Tensor | None = None) -> str:
        names, sent = [], Sent(features, kept=kept)
        for part in self._each:
            names.append(part.fitted(sent.features, sent.kept))
            sent = make_payload(names[-1]).transmit(sent)
        return CHAIN.join(names)

    def transmit(self, sent: Sent) -> Sent:
        for part in self._each:
            sent = part.transmit(sent)
        return sent

    def unlock(self, features: Tensor) -> Tensor:
        for part in reversed(self._each):
            features = part.unlock(features)
        return features

    def restart(self, seed: int) -> None:
        for number, part in enumerate(self._each):
            part.restart(derive_seed(seed, "chain", number))
