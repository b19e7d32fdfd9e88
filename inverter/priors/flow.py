"""Flow matching: noisy latents on the straight line from image to noise, a velocity as the denoiser's output."""

from __future__ import annotations

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from inverter.priors.process import NoiseProcess


class FlowMatching(NoiseProcess):
    """Noisy latents are ``(1 - sigma) * x0 + sigma * eps`` with sigma = t / number of timesteps; Euler steps.

    Args:
        scheduler: Its shift decides where the timesteps lie.
    Raises:
        ValueError: A schedule that depends on the number of tokens, or that runs backwards.
    Source:
        Lipman et al., arXiv:2210.02747; Stable Diffusion 3, arXiv:2403.03206.
    """

    def __init__(self, scheduler: FlowMatchEulerDiscreteScheduler) -> None:
        self.scheduler, self.num_train_timesteps = scheduler, scheduler.config.num_train_timesteps
        for name in ("use_dynamic_shifting", "invert_sigmas"):
            if scheduler.config.get(name):
                raise ValueError(f"scheduler.{name} is true; allowed: false, as in Stable Diffusion 3")

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        sigma = (t.to(like.device, torch.float32) / self.num_train_timesteps).clamp_min(0)  # END is the image
        sigma = sigma.to(torch.promote_types(like.dtype, torch.float32))
        sigma = sigma.view(-1, *[1] * (like.ndim - 1)) if sigma.ndim else sigma
        return 1 - sigma, sigma

    def timesteps_at(self, share: Tensor) -> Tensor:
        even, shift = share.clamp_min(1 / self.num_train_timesteps), self.scheduler.shift
        return shift * even / (1 + (shift - 1) * even) * self.num_train_timesteps

    def read(self, output: Tensor, noisy: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        signal, spread = self.coefficients(t, noisy)
        return noisy - spread * output, noisy + signal * output

    def goal(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        return eps - x0

    def error_factor(self, t: Tensor) -> Tensor:
        return (t / self.num_train_timesteps).square().reciprocal()

    def share_of(self, t: Tensor) -> float:
        sigma, shift = max(float(t), 0.0) / self.num_train_timesteps, self.scheduler.shift
        return sigma / (shift - (shift - 1) * sigma)  # before the shift, as timesteps_at and the sampler's steps
