"""``hybrid``, ours: an inverter's latents, refined under the prior; then pixels, where the layer fixes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from inverter.run.registry import deferred
from inverter.whitebox.methods import METHODS, WhiteboxMethod
from inverter.whitebox.methods.direct import DirectConfig


@dataclass
class HybridConfig:
    num_steps: int = 200
    lr: float = 0.1
    lr_decay: str = "cosine"
    tv_weight: float = 1e-3
    prior_every_n_steps: int = 4  # between two calls of the denoiser; 0 never calls it
    prior_until: float = 0.3  # share of the steps in which it is called
    strength: float | None = None  # of the first call's noise; null: 0.15 where settled, else 0.8; 1 without a start
    polish: str = "auto"  # auto: where settled | true | false
    settled_ratio: float = 2.0  # numbers that travel over the picture's from which a layer counts as settling pixels
    pixels: DirectConfig = field(
        default_factory=lambda: DirectConfig(num_steps=300, lr=0.02, tv_weight=1e-4, tv_decay="constant")
    )


def of_clips(section: HybridConfig) -> HybridConfig:
    """``polish=auto`` becomes false: pixels are polished frame by frame, and flicker."""
    return replace(section, polish="false") if str(section.polish).lower() == "auto" else section


def make_queries(section: HybridConfig, queries: int, planned: Sequence[int]) -> HybridConfig:
    """Steps raised or cut to so many queries; two phases keep their share of them."""
    first = queries if len(planned) == 1 else max(1, round(queries * section.num_steps / sum(planned)))
    return replace(section, num_steps=first, pixels=replace(section.pixels, num_steps=max(1, queries - first)))


METHODS.register(
    "hybrid",
    WhiteboxMethod(
        deferred("inverter.whitebox.phases.hybrid:phases"),
        HybridConfig,
        starts_at_inverter=lambda section: True,
        of_clips=of_clips,
        make_queries=make_queries,
    ),
)
