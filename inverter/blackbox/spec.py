"""What an inverter is, as plain data: written into published inverters, readable without torch."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from inverter.priors.steps import check_interval, count_steps
from inverter.targets.shape import FeatureShape, from_lists, is_joint, layer_shapes, num_channels, to_lists

CONDITIONINGS = ("control", "tokens")
TUNINGS = ("none", "lora", "full")
AXES = {"latent_shape": (3,), "conditioning_shape": (2,), "guidance_interval": (2,)}


@dataclass(frozen=True)
class InverterSpec:
    """Plain data that rebuilds an inverter's modules; shapes without the batch.

    Args:
        feature_shape: ``(C, h, w)``, ``(N, D)`` or ``(D,)``; of joint layers one such shape each.
        latent_shape: ``(c, S, S)`` of the prior.
        conditioning_shape: ``(K, D)`` of the prior's text.
        resolution: Side of the images in pixels.
        width: Channels of the map at the latents' side.
        depth: Residual blocks.
        dropout: Share of channels dropped while training.
        head_width: Channels of the image head; None has none.
        strength: Share of the schedule that ``sample`` runs: 1 starts from noise, less from the noised aligned latents.
        num_inference_steps: Steps of the whole schedule.
        guidance_scale: Of the features; 1 is none.
        conditioning: ``control`` (maps and a token a position) or ``tokens`` (the mean of the trunk, in the text's
            place).
        coarse_width: Channels of the coarse map; of ``control``.
        num_tokens: Tokens that the features shift; of ``tokens``.
        guidance_interval: Shares of the noise schedule, from image (0) to noise (1), between which guidance acts.
        tune: What of the denoiser was trained along: ``none``, ``lora`` or ``full``.
        rank: Of the LoRA.
        feature_mean: Mean of each feature channel, or empty.
        feature_std: Deviation of each feature channel, or empty.
        compact: Whether wide features are laid out within a budget of weights.
    Raises:
        ValueError: A value of another type, or one that no inverter can have.
    """

    feature_shape: FeatureShape
    latent_shape: tuple[int, int, int]
    conditioning_shape: tuple[int, int]
    resolution: int
    width: int
    depth: int
    dropout: float
    head_width: int | None
    strength: float
    num_inference_steps: int
    guidance_scale: float
    conditioning: str = "control"
    coarse_width: int = 192
    num_tokens: int = 24
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    tune: str = "none"
    rank: int = 16
    feature_mean: list[float] = field(default_factory=list)
    feature_std: list[float] = field(default_factory=list)
    compact: bool = True

    def __post_init__(self) -> None:
        names = ("resolution", "width", "coarse_width", "num_tokens", "num_inference_steps", "rank")
        counts = {key: getattr(self, key) for key in names}
        shapes = {"latent_shape": self.latent_shape, "conditioning_shape": self.conditioning_shape}
        for number, shape in enumerate(layer_shapes(self.feature_shape)):
            shapes["feature_shape" + (f"[{number}]" if is_joint(self.feature_shape) else "")] = shape  # type: ignore[assignment]
        for key, shape in shapes.items():
            counts |= {f"{key}[{axis}]": size for axis, size in enumerate(shape)}
        if self.head_width is not None:
            counts["head_width"] = self.head_width
        for key, value in counts.items():
            _check_number(key, value, (int,), 1, 1 << 20)
        _check_number("depth", self.depth, (int,), 0, 256)
        for key, most in (("dropout", 1.0), ("strength", 1.0), ("guidance_scale", 100.0)):
            _check_number(key, getattr(self, key), (int, float), 0.0, most)
        check_interval(self.guidance_interval)
        if not isinstance(self.compact, bool):
            raise ValueError(f"inverter spec: compact is {self.compact!r}; allowed: true, false")
        for key, allowed in (("conditioning", CONDITIONINGS), ("tune", TUNINGS)):
            if getattr(self, key) not in allowed:
                raise ValueError(f"inverter spec: {key} is {getattr(self, key)!r}; allowed: {', '.join(allowed)}")
        for key in ("feature_mean", "feature_std"):
            values = getattr(self, key)
            if values and len(values) != num_channels(self.feature_shape):
                raise ValueError(f"inverter spec: {key} has {len(values)} values; features are {self.feature_shape}")
            for value in values:
                _check_number(key, value, (int, float), -sys.float_info.max, sys.float_info.max)

    @property
    def denoiser_calls(self) -> int:
        """Calls of the denoiser that ``sample`` makes a picture."""
        return count_steps(self.num_inference_steps, self.strength) * (2 if self.guidance_scale != 1 else 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for YAML."""
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return values | {"feature_shape": to_lists(self.feature_shape)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> InverterSpec:
        """Inverse of :meth:`to_dict`; a missing or surplus key is an error."""
        known = set(cls.__dataclass_fields__)
        if set(values) != known:
            unknown = sorted(map(str, set(values) - known))
            raise ValueError(f"inverter spec: missing keys {sorted(known - set(values))}, unknown keys {unknown}")
        shapes: dict[str, Any] = {}
        for key, axes in AXES.items():
            if not isinstance(values[key], list) or len(values[key]) not in axes:
                raise ValueError(f"inverter spec: {key} is {values[key]!r}; allowed: a list of {axes} sizes")
            shapes[key] = tuple(values[key])
        sizes = values["feature_shape"]
        shape = from_lists(sizes) if isinstance(sizes, list) else ()
        if not all(isinstance(each, tuple) and len(each) in (1, 2, 3) for each in layer_shapes(shape)):
            raise ValueError(f"inverter spec: feature_shape is {sizes!r}; allowed: a list of (1, 2, 3) sizes")
        shapes["feature_shape"] = shape
        for key in ("feature_mean", "feature_std"):
            if not isinstance(values[key], list):
                raise ValueError(f"inverter spec: {key} is {values[key]!r}; allowed: a list of numbers")
        return cls(**(values | shapes))

    @classmethod
    def from_first_version(cls, values: dict[str, Any]) -> InverterSpec:
        """Of an inverter that was published before there was control: its features reach the denoiser as tokens."""
        later = {"conditioning": "tokens", "coarse_width": 192, "guidance_interval": [0.0, 1.0], "tune": "none"}
        return cls.from_second_version({**later, "rank": 16, **values})

    @classmethod
    def from_second_version(cls, values: dict[str, Any]) -> InverterSpec:
        """Of an inverter that was published before there was a budget: its features are laid out as they are."""
        return cls.from_dict({"compact": False, **values})


def _check_number(key: str, value: Any, kinds: tuple[type, ...], least: float, most: float) -> None:
    if type(value) not in kinds or not least <= value <= most:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"inverter spec: {key} is {value!r}; allowed: {names}, {least} to {most}")
