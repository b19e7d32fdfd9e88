"""What an inverter is, as plain data: written into published inverters, readable without torch."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from inverter.data.manifest import num_channels


@dataclass(frozen=True)
class InverterSpec:
    """Plain data that rebuilds an inverter's modules; shapes without the batch."""

    feature_shape: tuple[int, ...]
    latent_shape: tuple[int, int, int]
    conditioning_shape: tuple[int, int]
    resolution: int
    width: int
    depth: int
    num_tokens: int
    dropout: float
    head_width: int | None  # None: no image head
    strength: float
    num_inference_steps: int
    guidance_scale: float
    feature_mean: list[float] = field(default_factory=list)
    feature_std: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        counts = {key: getattr(self, key) for key in ("resolution", "width", "num_tokens", "num_inference_steps")}
        for key in ("feature_shape", "latent_shape", "conditioning_shape"):
            counts |= {f"{key}[{axis}]": size for axis, size in enumerate(getattr(self, key))}
        if self.head_width is not None:
            counts["head_width"] = self.head_width
        for key, value in counts.items():
            _check_number(key, value, (int,), 1, 1 << 20)
        _check_number("depth", self.depth, (int,), 0, 256)
        for key, most in (("dropout", 1.0), ("strength", 1.0), ("guidance_scale", 100.0)):
            _check_number(key, getattr(self, key), (int, float), 0.0, most)
        for key in ("feature_mean", "feature_std"):
            values = getattr(self, key)
            if values and len(values) != num_channels(self.feature_shape):
                raise ValueError(f"inverter spec: {key} has {len(values)} values; features are {self.feature_shape}")
            for value in values:
                _check_number(key, value, (int, float), -sys.float_info.max, sys.float_info.max)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for YAML."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> InverterSpec:
        """Inverse of :meth:`to_dict`; a missing or surplus key is an error."""
        known = set(cls.__dataclass_fields__)
        if set(values) != known:
            unknown = sorted(map(str, set(values) - known))
            raise ValueError(f"inverter spec: missing keys {sorted(known - set(values))}, unknown keys {unknown}")
        shapes = {}
        for key, axes in (("feature_shape", (1, 2, 3)), ("latent_shape", (3,)), ("conditioning_shape", (2,))):
            if not isinstance(values[key], list) or len(values[key]) not in axes:
                raise ValueError(f"inverter spec: {key} is {values[key]!r}; allowed: a list of {axes} sizes")
            shapes[key] = tuple(values[key])
        for key in ("feature_mean", "feature_std"):
            if not isinstance(values[key], list):
                raise ValueError(f"inverter spec: {key} is {values[key]!r}; allowed: a list of numbers")
        return cls(**(values | shapes))


def _check_number(key: str, value: Any, kinds: tuple[type, ...], least: float, most: float) -> None:
    if type(value) not in kinds or not least <= value <= most:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"inverter spec: {key} is {value!r}; allowed: {names}, {least} to {most}")
