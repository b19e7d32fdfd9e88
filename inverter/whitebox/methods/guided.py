"""``guided``, DRAG's: the prior samples, and at each timestep the features pull on the noise that is added."""

from __future__ import annotations

from dataclasses import dataclass, field

from inverter.run.registry import deferred
from inverter.whitebox.methods import METHODS, WhiteboxMethod


@dataclass
class GuidedConfig:
    num_inference_steps: int = 250  # DRAG's; fewer where max_queries is less
    num_recurrences: int = 16  # gradient steps at each timestep, DRAG's; fewer first where max_queries is less
    eta: float = 1.0  # DRAG's
    guidance: float = 0.2  # share of the guided direction in the noise, DRAG's w
    clip: float = 0.02  # norm that an image's gradient is clipped to before smoothing, DRAG's
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])  # Adam's moments, which smooth the direction
    l2_weight: float = 0.01  # of the mean square of the picture in [-1, 1], DRAG's
    tv_weight: float = 0.0  # DRAG's for latent priors
    strength: float = 0.3  # with start=inverter, DRAG++'s
    start: str = "noise"  # noise | inverter (DRAG++)
    jacobian_free: bool = False  # skip the denoiser's gradient; ours


METHODS.register(
    "guided",
    WhiteboxMethod(
        deferred("inverter.whitebox.phases.guided:phases"),
        GuidedConfig,
        starts_at_inverter=lambda section: section.start == "inverter",
    ),
)
