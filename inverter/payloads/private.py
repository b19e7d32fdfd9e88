"""``private:EPSILON``: local differential privacy by the Gaussian mechanism."""

from __future__ import annotations

import math
import reprlib

import torch
from torch import Tensor

from inverter.payloads.clip import Clip
from inverter.payloads.payload import PAYLOADS, Drawing, read_float, short

DELTA = 1e-5


class Private(Drawing):
    """Features clipped to a norm, then normal noise: each query is (``epsilon``, 1e-5)-differentially private.

    A query is one picture's features at one layer, and any two pictures are neighbours: clipped to the L2 norm
    ``C = rms * sqrt(n)``, n the numbers of an image, two of them lie at most ``2 C`` apart, which is the sensitivity.
    The noise is as small as (epsilon, delta) allows at this sensitivity. Joint layers, and every further query of the
    same picture, count anew: k queries have no more than (k epsilon, k delta). The noise is drawn in floating point,
    which no proof covers. The gradient is that of clipping. Four bytes a number.

    Args:
        epsilon: Above 0 and at most 10000.
        rms: Root mean square that features are clipped to, chosen without looking at the picture.
        seed: Seeds the generator.
    Source:
        Balle and Wang, Improving the Gaussian mechanism for differential privacy, 2018, arXiv:1805.06530, theorem 8.
    """

    form = "private:EPSILON or private:EPSILON:RMS"
    knows = "the norm that features are clipped to and the deviation of the noise, not the noise"

    def __init__(self, epsilon: float, rms: float = 1.0, seed: int = 0) -> None:
        super().__init__(seed)
        self.epsilon, self.rms, self.clip = epsilon, rms, Clip(rms)
        self.name = f"private:{short(epsilon)}" + (f":{short(rms)}" if rms != 1 else "")
        self.noise = gaussian_deviation(epsilon, DELTA)

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Private:
        number, *rest = (argument or "").split(":")
        if len(rest) > 1:
            raise ValueError(f"behind RMS stands {reprlib.repr(':'.join(rest[1:]))}")
        rms = read_float("RMS", rest[0], 0, 1e6) if rest else 1.0
        return cls(read_float("EPSILON", number, 0, 1e4), rms, seed)

    @property
    def known(self) -> str:
        return self.clip.name

    def forward(self, features: Tensor) -> Tensor:
        sensitivity = 2 * self.rms * math.sqrt(features[0].numel())
        noise = self.draw(features, lambda shape, generator: torch.randn(shape, generator=generator))
        return self.clip(features) + (self.noise * sensitivity * noise).to(features.dtype)


def gaussian_deviation(epsilon: float, delta: float) -> float:
    """Smallest deviation of normal noise that is (epsilon, delta)-differentially private at sensitivity 1."""
    low, high = 0.0, 1.0
    while gaussian_delta(epsilon, high) > delta:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if gaussian_delta(epsilon, middle) > delta else (low, middle)
    return high


def gaussian_delta(epsilon: float, deviation: float) -> float:
    """Smallest delta with which normal noise is (epsilon, delta)-differentially private at sensitivity 1."""
    if deviation == 0:
        return 1.0
    half, shift = 1 / (2 * deviation), epsilon * deviation
    far = torch.special.log_ndtr(torch.tensor(-half - shift, dtype=torch.float64)).item()
    near = torch.special.ndtr(torch.tensor(half - shift, dtype=torch.float64)).item()
    return near - math.exp(min(epsilon + far, 0.0))


PAYLOADS.register("private", Private)
