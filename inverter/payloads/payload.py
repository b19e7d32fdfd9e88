"""A payload: what is done to features before they travel, made from its name; what travels then, in bytes."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from inverter.payloads.packing import pack_images
from inverter.run.registry import Registry

CHAIN = "+"
"""Between the names of payloads that are applied one after the other: ``topk:0.1+int8``."""


@dataclass(frozen=True)
class Sent:
    """Features on their way.

    Args:
        features: What arrives, ``(B, ...)``.
        encode: Gives the bytes that travel, one string an image; None is a float32 for each number that is kept.
        kept: Which numbers travel, the others being 0: bool ``(B, ...)``, whose places travel too, or ``(...)``, the
            same of every image, which both sides know; None is all.
    """

    features: Tensor
    encode: Callable[[], list[bytes]] | None = None
    kept: Tensor | None = None

    def codes(self) -> list[bytes]:
        """The bytes that travel, one string an image; the shape is known to both sides and does not."""
        if self.encode is not None:
            return self.encode()
        return pack_images(self.features.float(), lambda numbers: numbers.astype("<f4").tobytes(), kept=self.kept)

    def num_bytes(self) -> list[int]:
        """Bytes that travel, of each image."""
        if self.encode is None and self.kept is None:
            return [4 * self.features[0].numel()] * len(self.features)
        return list(map(len, self.codes()))


class Payload(nn.Module):
    """Features ``(B, ...)`` in, what arrives of them out, in the same shape and dtype; the input is kept.

    A batch gets what its images would have got one by one, and what is not finite in an image stays so. Registered by a
    name; ``name:argument`` builds it.
    """

    form: ClassVar[str]
    """How it is written, such as ``gaussian:STD``."""
    knows: str = "all of it"
    """What an attacker knows of it, half a sentence."""
    draws = False
    """Whether it adds noise, or has a key, that the attacker does not know; then it has a ``generator``."""
    ends = False
    """Whether nothing can follow it."""
    whole = False
    """Whether it codes all of an image's features together, so that no channel can be lost alone."""
    fits = False
    """Whether it has a range, or codebooks, that are not known yet; then nothing can be sent."""
    num_fit = 64
    """Images that these are measured on."""
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

    @property
    def known(self) -> str:
        """Name of what the attacker can do to features too: all of it, or nothing where it draws."""
        return "identity" if self.draws else self.name

    def check(self, shape: Sequence[int]) -> None:
        """Refuse features that it is not for.

        Args:
            shape: Of one image's features: ``(C, h, w)``, ``(N, D)`` or ``(D,)``.
        Raises:
            ValueError: They are.
        """

    def fitted(self, features: Tensor, kept: Tensor | None = None) -> str:
        """Name with what was measured on features ``(B, ...)``, where something of it is not known yet.

        Args:
            features: What it would be given.
            kept: Which numbers travel, as in ``Sent``.
        Raises:
            ValueError: Nothing can be measured on them.
        """
        return self.name

    def transmit(self, sent: Sent) -> Sent:
        """What becomes of features on their way; where they are not coded, four bytes a number."""
        return Sent(self(sent.features))

    def send(self, features: Tensor) -> Sent:
        """Send features ``(B, ...)``.

        Raises:
            ValueError: They hold NaN or infinity, or what arrives does.
        """
        self._check_finite("features", features)
        sent = self.transmit(Sent(features))
        self._check_finite(f"what arrives of features up to {float(features.abs().max()):g}", sent.features)
        return sent

    def _check_finite(self, what: str, values: Tensor) -> None:
        if not values.isfinite().all():
            raise ValueError(f"payload={self.name}: NaN or infinity in {what}; allowed: finite numbers")

    def unlock(self, features: Tensor) -> Tensor:
        """What a server that holds the key makes of what arrives of features; without a key the same."""
        return features

    def restart(self, seed: int) -> None:
        """Begin its noise anew; one that draws none has nothing to begin."""
        if self.draws:
            self.generator.manual_seed(seed)


class Coding(Payload):
    """A payload that decides in which bytes features travel."""

    def transmit(self, sent: Sent) -> Sent:
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        return self.transmit(Sent(features)).features


class Drawing(Payload):
    """A payload that draws, on the CPU and one image at a time: the same on every device and for every batch size.

    Args:
        seed: Seeds its generator.
    """

    draws = True

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self, features: Tensor, each: Callable[[torch.Size, torch.Generator], Tensor]) -> Tensor:
        """What ``each`` draws for every image, ``(B, ...)``, where the features are."""
        rows = [each(features.shape[1:], self.generator) for _ in range(len(features))]
        return torch.stack(rows).to(features.device)


PAYLOADS: Registry[type[Payload]] = Registry("payload", "inverter.payloads")


def make_payload(payload: str | Sequence[str], seed: int = 0) -> Payload:
    """Build what is applied to features before they travel.

    Args:
        payload: ``NAME`` or ``NAME:ARGUMENT``, such as ``int8`` or ``gaussian:0.1``; several, as a sequence or joined
            by ``+``, are applied in this order.
        seed: Seeds the noise of payloads that draw.
    Raises:
        ValueError: ``payload`` is empty or unknown, its argument is not allowed, or several cannot follow each other.
    """
    names = split_chain(payload)
    if not names:
        raise ValueError(f"payload is empty; allowed are {', '.join(forms())}")
    if len(names) == 1:
        return _make_one(names[0], seed)
    from inverter.payloads.chain import Chain

    return Chain([_make_one(name, seed) for name in names], seed)


def split_chain(payload: str | Sequence[str]) -> list[str]:
    """Names of payloads that are applied one after the other; ``1e+3`` is a number."""
    if isinstance(payload, str):
        return re.split(r"\+(?![0-9])", payload)
    return [name for each in payload for name in split_chain(each)]


def find_payload(noted: str) -> Payload | None:
    """The payload of a spec; None where the device has one of its own, whose name is none of these.

    Raises:
        ValueError: Its name is one of these, but its argument is not allowed, or several cannot follow each other.
    """
    known = all(name.partition(":")[0] in PAYLOADS.names() for name in split_chain(noted))
    return make_payload(noted) if known else None


def same_payload(given: str, noted: str) -> bool:
    """Whether a spec's payload is the one that was given, which may leave to ``fit`` what the spec notes."""
    wanted = make_payload(given).name
    try:
        pairs = split_chain(wanted), split_chain(make_payload(noted).name)
    except ValueError:
        return False
    return len(pairs[0]) == len(pairs[1]) and all(map(_same, *pairs))


def _same(given: str, noted: str) -> bool:
    head, separator, last = given.rpartition(":")
    fitted = re.fullmatch(rf"{re.escape(head)}:[^:]+(:[^:]+)?", noted) if separator and last == "fit" else None
    return given == noted or fitted is not None


def _make_one(payload: str, seed: int) -> Payload:
    name, separator, argument = payload.partition(":")
    if name not in PAYLOADS.names():
        raise ValueError(f"payload={reprlib.repr(payload)} is unknown; allowed are {', '.join(forms())}")
    try:
        return PAYLOADS[name].from_argument(argument if separator else None, seed)
    except ValueError as error:
        raise ValueError(f"payload={reprlib.repr(payload)}: {error}; allowed: {PAYLOADS[name].form}") from error


def forms() -> list[str]:
    """How each payload is written."""
    return [PAYLOADS[name].form for name in PAYLOADS.names()]


def per_image(values: Tensor, features: Tensor) -> Tensor:
    """``(B,)`` shaped to broadcast over ``(B, ...)``."""
    return values.view(-1, *[1] * (features.ndim - 1))


def each_image(measure: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    """``measure`` of every image's numbers ``(n,)``, shaped to broadcast; of a batch the last bits would be others."""
    return per_image(torch.stack([measure(image.flatten()) for image in features]), features)


def channel_axis(features: Tensor) -> int:
    """Axis of the channels of features with their batch: 1 of ``(B, C, h, w)``, else the last."""
    return 1 if features.ndim == 4 else features.ndim - 1


class StraightThrough(torch.autograd.Function):
    """Values of the second argument, gradient of the identity in the first."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, features: Tensor, sent: Tensor) -> Tensor:
        return sent

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


def read_float(what: str, text: str | None, low: float, high: float = math.inf) -> float:
    """A number above ``low`` and at most ``high``, finite.

    Raises:
        ValueError: It is none.
    """
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not (low < value <= high and math.isfinite(value)):
        allowed = f"above {low:g}" + ("" if high == math.inf else f" and at most {high:g}")
        raise ValueError(f"{what} is {reprlib.repr(text)}; it must be a number {allowed}")
    return value


def read_int(what: str, text: str | None, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``.

    Raises:
        ValueError: It is none.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text or "") or not low <= int(text or "") <= high:
        raise ValueError(f"{what} is {reprlib.repr(text)}; it must be a whole number from {low} to {high}")
    return int(text or "")


def short(value: float) -> str:
    """A number as a name holds it: no longer than it needs to be to come back the same."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)
