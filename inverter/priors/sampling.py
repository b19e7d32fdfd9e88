"""Differentiable sampling and the denoising loss, over diffusers' scheduler."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from inverter.priors.control import Control, run_unet


def denoise(
    unet: nn.Module,
    scheduler: DDIMScheduler,
    latents: Tensor,
    t: Tensor,
    conditioning: Tensor,
    control: Control | None = None,
) -> Tensor:
    """Denoised estimate x0 ``(B, C, h, w)`` of ``latents`` at integer timesteps ``t`` ``(B,)``."""
    output = run_unet(unet, latents, t, conditioning, control)
    alpha = scheduler.alphas_cumprod.to(latents.device)[t].view(-1, 1, 1, 1)
    return read_prediction(scheduler, output, latents, alpha)[0]


def read_prediction(scheduler: DDIMScheduler, output: Tensor, latents: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Denoised estimate and noise, both ``(B, C, h, w)``, of a denoiser's output, whatever it predicts.

    Args:
        scheduler: Says what that is.
        output: Of the denoiser.
        latents: What it saw.
        alpha: Share of the signal in them, ``alphas_cumprod`` of their timesteps.
    """
    signal, spread = alpha.sqrt(), (1 - alpha).sqrt()
    if scheduler.config.prediction_type == "v_prediction":
        return signal * latents - spread * output, signal * output + spread * latents
    if scheduler.config.prediction_type == "epsilon":
        return (latents - spread * output) / signal, output
    return output, (latents - signal * output) / spread


def denoising_loss(
    unet: nn.Module,
    scheduler: DDIMScheduler,
    latents: Tensor,
    conditioning: Tensor,
    generator: torch.Generator | None = None,
    snr_gamma: float | None = None,
    control: Control | None = None,
    towards_noise: bool = False,
) -> Tensor:
    """Mean squared error of the denoiser's prediction on latents ``(B, C, h, w)`` noised to random timesteps.

    The prediction is what the scheduler's config says (noise or velocity). ``snr_gamma`` bounds what a timestep's
    error of x0 weighs, see :func:`loss_weights`; None takes the prediction's own weights. Timesteps are drawn evenly,
    or ``towards_noise`` with a density that rises linearly, where a picture's content is decided.
    """
    steps, source = scheduler.config.num_train_timesteps, generator.device if generator else latents.device
    share = torch.rand(len(latents), generator=generator, device=source)
    t = ((share.sqrt() if towards_noise else share) * steps).long().clamp_max(steps - 1).to(latents.device)
    noise = torch.randn(latents.shape, generator=generator, device=source).to(latents)
    noisy = scheduler.add_noise(latents, noise, t)
    goal = noise if scheduler.config.prediction_type == "epsilon" else scheduler.get_velocity(latents, noise, t)
    output = run_unet(unet, noisy, t, conditioning, control)
    if snr_gamma is None:
        return F.mse_loss(output.float(), goal.float())
    errors = (output.float() - goal.float()).square().flatten(1).mean(1)  # (B,)
    return (loss_weights(scheduler, t, snr_gamma) * errors).mean()


def loss_weights(scheduler: DDIMScheduler, t: Tensor, snr_gamma: float) -> Tensor:
    """Weight ``(B,)`` of the prediction's error at integer timesteps ``t`` ``(B,)``: min-SNR.

    An error of the predicted velocity is one of x0 times ``SNR + 1``, of the predicted noise times ``SNR``. The weight
    brings that factor down to ``snr_gamma`` where it is larger: ``min(1, snr_gamma / (SNR + 1))`` for velocity,
    ``min(1, snr_gamma / SNR)`` for noise. Velocity at pure noise, SNR 0, keeps its weight of 1.

    Source:
        Hang et al., "Efficient Diffusion Training via Min-SNR Weighting" (arXiv:2303.09556). Differs: for velocity the
        factor itself is bounded, not the SNR, so that a schedule that ends in pure noise trains its last step too.
    """
    alpha = scheduler.alphas_cumprod.to(t.device)[t]
    snr = alpha / (1 - alpha)
    factor = snr if scheduler.config.prediction_type == "epsilon" else snr + 1
    return (snr_gamma / factor.clamp_min(1e-8)).clamp_max(1)


def sample(
    unet: nn.Module,
    scheduler: DDIMScheduler,
    noise: Tensor,
    conditioning: Tensor,
    *,
    unconditional: Tensor | None = None,
    latents: Tensor | None = None,
    strength: float = 1.0,
    num_inference_steps: int = 8,
    guidance_scale: float = 1.0,
    fresh: Sequence[Tensor] = (),
    control: Control | None = None,
    null_control: Control | None = None,
    guidance_interval: tuple[float, float] = (0.0, 1.0),
) -> Tensor:
    """Steps from ``noise``, or from ``latents`` noised to ``strength`` of the schedule: :func:`run_steps`.

    Timesteps are diffusers' own (``StableDiffusionPipeline`` from noise, ``StableDiffusionImg2ImgPipeline`` from
    latents, but that rounding costs no step: 0.29 of 100 steps are 29).
    """
    scheduler = copy.deepcopy(scheduler)  # set_timesteps writes into it
    scheduler.set_timesteps(num_inference_steps, device=noise.device)
    timesteps = scheduler.timesteps
    if latents is None:
        current = noise * scheduler.init_noise_sigma
    else:
        timesteps = last_timesteps(scheduler, strength)
        none = len(timesteps) == 0
        current = latents if none else scheduler.add_noise(latents, noise, timesteps[:1].expand(len(latents)))
    return run_steps(
        unet,
        scheduler,
        current,
        timesteps,
        conditioning,
        unconditional=unconditional,
        guidance_scale=guidance_scale,
        fresh=fresh,
        control=control,
        null_control=null_control,
        guidance_interval=guidance_interval,
    )


def last_timesteps(scheduler: DDIMScheduler, strength: float) -> Tensor:
    """The timesteps that ``strength`` of a scheduler's schedule leaves to run, highest first."""
    timesteps = scheduler.timesteps
    return timesteps[len(timesteps) - count_steps(len(timesteps), strength) :]


def count_steps(num_inference_steps: int, strength: float) -> int:
    """Steps that ``strength`` of a schedule leaves to run; one that is whole but for rounding counts."""
    return min(int(strength * num_inference_steps + 1e-6), num_inference_steps)


def least_strength(num_inference_steps: int) -> float:
    """Strength that leaves a step to run: the least one of three digits."""
    return math.ceil(1000 / num_inference_steps) / 1000


def run_steps(
    unet: nn.Module,
    scheduler: DDIMScheduler,
    current: Tensor,
    timesteps: Tensor,
    conditioning: Tensor,
    *,
    unconditional: Tensor | None = None,
    guidance_scale: float = 1.0,
    fresh: Sequence[Tensor] = (),
    kept_steps: int = 1,
    control: Control | None = None,
    null_control: Control | None = None,
    guidance_interval: tuple[float, float] = (0.0, 1.0),
) -> Tensor:
    """Steps from ``current``, noisy as the first timestep says.

    Deterministic DDIM; with ``fresh`` noises, one for every step but the last, a consistency model's steps, whose
    estimate of x0 is noised anew for the next timestep. ``scheduler`` has had its ``set_timesteps`` called. For the
    backward pass the last ``kept_steps`` keep what they computed; those before are computed again. Guidance, where there
    is ``unconditional``, acts at timesteps in ``guidance_interval`` of the noise schedule.
    """
    longest = scheduler.config.num_train_timesteps

    def step(current: Tensor, t: Tensor, conditioning: Tensor, unconditional: Tensor | None, number: int) -> Tensor:
        output = run_unet(unet, current, t, conditioning, control)
        if unconditional is not None and guidance_interval[0] * longest <= int(t) + 1 <= guidance_interval[1] * longest:
            free = run_unet(unet, current, t, unconditional, null_control)
            output = free + guidance_scale * (output - free)
        following, x0 = scheduler.step(output, t, current, eta=0.0, return_dict=False)
        if fresh and number + 1 < len(timesteps):
            return scheduler.add_noise(x0, fresh[number].to(x0), timesteps[number + 1].expand(len(x0)))
        return following

    for number, t in enumerate(timesteps):
        inputs = [current, conditioning, *([control.tokens] if control is not None else [])]
        differentiated = torch.is_grad_enabled() and any(value.requires_grad for value in inputs)
        if differentiated and number < len(timesteps) - kept_steps:
            current = checkpoint(step, current, t, conditioning, unconditional, number, use_reentrant=False)
        else:
            current = step(current, t, conditioning, unconditional, number)
    return current
