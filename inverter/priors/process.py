"""How latents are noised and what a denoiser's output means; diffusion's process, over diffusers' scheduler."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from inverter.priors.steps import count_steps

END = -1
"""The timestep of the clean latents, behind every other."""
PREDICTIONS = ("epsilon", "v_prediction", "sample")


class NoiseProcess(ABC):
    """Noisy latents are ``signal(t) * x0 + spread(t) * eps``; timesteps ``t`` are scalars or ``(B,)``.

    ``scheduler`` is diffusers' own, which says where the timesteps lie.
    """

    num_train_timesteps: int
    scheduler: Any

    @abstractmethod
    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Signal and spread at ``t``, shaped to go with latents ``like`` ``(B, C, h, w)``."""

    @abstractmethod
    def timesteps_at(self, share: Tensor) -> Tensor:
        """Timesteps for training at shares ``(B,)`` in [0, 1) of the noise schedule; 0 is the image."""

    @abstractmethod
    def read(self, output: Tensor, noisy: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Denoised estimate x0 and noise eps, both ``(B, C, h, w)``, of what a denoiser said of ``noisy``."""

    @abstractmethod
    def goal(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """What the denoiser should say of x0 noised by eps."""

    @abstractmethod
    def error_factor(self, t: Tensor) -> Tensor:
        """Squared error of the output that goes with a squared error of 1 in x0, ``(B,)``."""

    def schedule(self, num_inference_steps: int, strength: float = 1.0) -> Tensor:
        """Timesteps of the last ``strength`` of a sampler's steps, noisiest first, and behind them ``END``."""
        scheduler = copy.deepcopy(self.scheduler)  # set_timesteps writes into it
        scheduler.set_timesteps(num_inference_steps)
        timesteps = scheduler.timesteps[:num_inference_steps]  # trailing ones may come with one too many, -1
        last = timesteps[len(timesteps) - count_steps(len(timesteps), strength) :]
        return torch.cat([last, last.new_tensor([END])])

    def share_of(self, t: Tensor) -> float:
        """Place of a timestep in the noise schedule: 0 is the image, 1 noise."""
        return (float(t) + 1) / self.num_train_timesteps

    def is_within(self, t: Tensor, interval: tuple[float, float]) -> bool:
        """Whether a timestep lies in an interval of shares of the noise schedule."""
        return interval[0] <= self.share_of(t) <= interval[1]

    def add_noise(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x0 ``(B, C, h, w)`` noised by eps to ``t``."""
        signal, spread = self.coefficients(t, x0)
        return signal * x0 + spread * eps


class Diffusion(NoiseProcess):
    """Variance-preserving diffusion, sampled by DDIM without new noise.

    Args:
        scheduler: Noise schedule, spacing of the timesteps, and what the denoiser predicts.
    Raises:
        ValueError: A prediction of another kind.
    """

    def __init__(self, scheduler: DDIMScheduler) -> None:
        self.scheduler = scheduler
        self.num_train_timesteps = scheduler.config.num_train_timesteps
        self.prediction = scheduler.config.prediction_type
        if self.prediction not in PREDICTIONS:
            raise ValueError(f"prediction_type is {self.prediction!r}; allowed: {', '.join(PREDICTIONS)}")

    def schedule(self, num_inference_steps: int, strength: float = 1.0) -> Tensor:
        # with as many steps as timesteps, steps_offset leads beyond the last
        return super().schedule(num_inference_steps, strength).clamp_max(self.num_train_timesteps - 1)

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        alpha = self.alpha(t.to(like.device)).to(torch.promote_types(like.dtype, torch.float32))
        alpha = alpha.view(-1, *[1] * (like.ndim - 1)) if alpha.ndim else alpha
        return alpha.sqrt(), (1 - alpha).sqrt()

    def alpha(self, t: Tensor) -> Tensor:
        """Share of the signal's variance at integer timesteps."""
        alphas = self.scheduler.alphas_cumprod.to(t.device)
        return torch.where(t < 0, self.scheduler.final_alpha_cumprod.to(alphas), alphas[t.clamp_min(0)])

    def timesteps_at(self, share: Tensor) -> Tensor:
        return (share * self.num_train_timesteps).long().clamp_max(self.num_train_timesteps - 1)

    def read(self, output: Tensor, noisy: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        signal, spread = self.coefficients(t, noisy)
        if self.prediction == "v_prediction":
            return signal * noisy - spread * output, signal * output + spread * noisy
        if self.prediction == "epsilon":
            return (noisy - spread * output) / signal, output
        return output, (noisy - signal * output) / spread

    def goal(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        signal, spread = self.coefficients(t, x0)
        return {"v_prediction": signal * eps - spread * x0, "epsilon": eps, "sample": x0}[self.prediction]

    def error_factor(self, t: Tensor) -> Tensor:
        alpha = self.alpha(t)
        snr = alpha / (1 - alpha)
        return {"v_prediction": snr + 1, "epsilon": snr, "sample": torch.ones_like(snr)}[self.prediction]
