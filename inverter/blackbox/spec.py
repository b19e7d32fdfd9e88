"""What an inverter is, as plain data: written into published inverters, readable without torch."""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from inverter.config.strict import read_strictly, strict_dataclass
from inverter.priors.steps import check_interval
from inverter.targets.shape import FeatureShape, layer_shapes, num_channels, read_shape, to_lists

LARGEST = 1 << 20
Size = Annotated[int, Field(ge=1, le=LARGEST)]
Share = Annotated[float, Field(ge=0, le=1)]


@strict_dataclass
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

    feature_shape: Annotated[FeatureShape, PlainValidator(read_shape)]
    latent_shape: tuple[Size, Size, Size]
    conditioning_shape: tuple[Size, Size]
    resolution: Size
    width: Size
    depth: Annotated[int, Field(ge=0, le=256)]
    dropout: Share
    head_width: Size | None
    strength: Share
    num_inference_steps: Size
    guidance_scale: Annotated[float, Field(ge=0, le=100)]
    conditioning: Literal["control", "tokens"] = "control"
    coarse_width: Size = 192
    num_tokens: Size = 24
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    tune: Literal["none", "lora", "full"] = "none"
    rank: Size = 16
    feature_mean: list[float] = field(default_factory=list)
    feature_std: list[float] = field(default_factory=list)
    compact: bool = True

    def __post_init__(self) -> None:
        check_interval(self.guidance_interval)
        if max(size for shape in layer_shapes(self.feature_shape) for size in shape) > LARGEST:
            raise ValueError(f"feature_shape is {self.feature_shape}; allowed: sizes up to {LARGEST}")
        for key in ("feature_mean", "feature_std"):
            if (count := len(getattr(self, key))) not in (0, num_channels(self.feature_shape)):
                raise ValueError(f"{key} has {count} values; features are {self.feature_shape}")

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for YAML."""
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return values | {"feature_shape": to_lists(self.feature_shape)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> InverterSpec:
        """Inverse of :meth:`to_dict`; a missing or surplus key is an error."""
        return read_strictly("inverter spec", cls, values)

    @classmethod
    def from_first_version(cls, values: dict[str, Any]) -> InverterSpec:
        """Of an inverter that was published before there was control: its features reach the denoiser as tokens."""
        later = {"conditioning": "tokens", "coarse_width": 192, "guidance_interval": [0.0, 1.0], "tune": "none"}
        return cls.from_second_version({**later, "rank": 16, **values})

    @classmethod
    def from_second_version(cls, values: dict[str, Any]) -> InverterSpec:
        """Of an inverter that was published before there was a budget: its features are laid out as they are."""
        return cls.from_dict({"compact": False, **values})
