"""Schemas of the white-box methods, and of inverting with them or with a black-box inverter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING

from inverter.config import LoopConfig, MemoryConfig, SenderConfig, SmoothingConfig, VideoConfig
from inverter.config.keys import Selective, find_unread
from inverter.config.values import TEXT
from inverter.whitebox.methods import METHODS, add_sections

OPERATING_POINTS = ("mean", "sample")


@add_sections
class MethodsConfig:
    """What all methods share, and a section of the name of each method that has settings."""

    loop: LoopConfig = field(default_factory=LoopConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


@dataclass
class InvertConfig(MethodsConfig, Selective):
    method: str = "blackbox"  # blackbox, or a white-box one, which differentiates the target
    target: SenderConfig = field(default_factory=SenderConfig)
    layers: list[str] | None = None  # white-box: several tapped layers, inverted jointly; null: target.layer alone
    inverter: str | None = None  # a name in checkpoints/, folder, hub id or (blackbox) run; null: LAYER-SIZE or LAYER
    prior: str | None = None  # null: the inverter's, else embedded; black-box: where the inverter's lies here
    memory: MemoryConfig = field(default_factory=MemoryConfig)  # of the prior
    image_size: int | None = None  # pixels a side with method=direct; null: the prior's
    input: str = MISSING  # picture, clip, features (.npy, .npz, .safetensors, .pt), folder of one kind, image shards
    feature_axes: str | None = (
        None  # of feature files: CHW | HWC | ND | D, or with B first, of several images; null: one image's
    )
    video: VideoConfig = field(default_factory=VideoConfig)  # of a clip
    limit: int | None = None  # invert the first N inputs only
    operating_point: str = "mean"  # mean | sample
    prompt: str | None = field(
        default=None, metadata=TEXT
    )  # text for sample and for white-box methods with a prior; null: predicted, else empty
    prompts: str | None = None  # CSV with key,prompt or key,foreground,background, or image shards; others: prompt
    prompt_kind: str = "both"  # what is taken of them: both | foreground | background | none
    guidance_scale: float | None = None  # null: as the inverter was published, 1 with white-box methods
    strength: float | None = None  # null: as the inverter was published
    output: str = "runs/invert"
    batch_size: int = 16
    device: str = "auto"
    seed: int = 0

    def unread(self) -> Iterator[tuple[str, str, list[str]]]:
        mode = self.operating_point if self.method == "blackbox" else self.method
        if mode not in (*OPERATING_POINTS, *METHODS.names()):
            return  # which says more than what it leaves unread
        for key, read_by in find_unread(self, InvertConfig(), readers(), (mode,)):
            yield key, _named(mode), [_named(each) for each in read_by]


def readers() -> dict[str, tuple[str, ...]]:
    """Key or section of `invert` to the operating points and methods that read it; others are read by all."""
    whitebox = METHODS.names()
    prompted = ("sample", *(name for name in whitebox if METHODS[name].prompted))
    return {
        "operating_point": OPERATING_POINTS,
        "strength": ("sample",),
        **dict.fromkeys(("prompt", "prompts", "prompt_kind", "guidance_scale"), prompted),
        **dict.fromkeys(("layers", "loop", "smoothing"), whitebox),
        "image_size": tuple(name for name in whitebox if not METHODS[name].needs_prior),
        **{name: (name,) for name in whitebox},
    }


def _named(mode: str) -> str:
    return f"{'operating_point' if mode in OPERATING_POINTS else 'method'}={mode}"
