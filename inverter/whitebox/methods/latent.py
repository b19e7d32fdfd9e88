"""``latent``, the paper's: the latent diffusion model's input latent, through denoiser and decoder."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.run.registry import deferred
from inverter.whitebox.methods import METHODS, WhiteboxMethod


@dataclass
class LatentConfig:
    num_steps: int = 300  # ours: the paper is silent
    lr: float = 0.1  # Adam (0.9, 0.999), the paper's rate
    lr_decay: str = "cosine"  # cosine | constant; ours
    num_inference_steps: int = 4  # DDIM steps of the whole schedule, all differentiated; 0: decoder alone; ours
    strength: float = 1.0  # share of the schedule that is run; below 1 z starts at an inverter's latents, noised; ours
    kept_steps: int = 1  # last steps that keep what they computed for the gradient; those before compute it again
    jacobian_free: bool = False  # skip the denoiser's gradient: the latents' goes straight through; ours
    tv_weight: float = 1e-3  # ours, for a normalised mean; the paper's is 1, with distance=sum
    tv_beta: float = 1.0  # ours: the paper does not say which form
    optimise_conditioning: bool = False
    conditioning_lr: float = 1e-2  # ours


METHODS.register(
    "latent",
    WhiteboxMethod(
        deferred("inverter.whitebox.phases.latent:phases"),
        LatentConfig,
        starts_at_inverter=lambda section: section.strength < 1,
        cost_only=("kept_steps",),
    ),
)
