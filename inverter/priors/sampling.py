"""Differentiable sampling and the denoising loss, for whatever noise process and denoiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from inverter.priors.conditioning import Conditioning
from inverter.priors.control import Control
from inverter.priors.process import NoiseProcess

if TYPE_CHECKING:
    from inverter.priors.prior import DiffusionPrior


Generators: TypeAlias = torch.Generator | Sequence[torch.Generator] | None
"""One for a batch, one an image, or PyTorch's own."""


def check_generator(generator: Any) -> None:
    """Raise ValueError unless it is one of :data:`Generators`."""
    given = generator if isinstance(generator, list | tuple) else [generator]
    if generator is not None and not all(isinstance(each, torch.Generator) for each in given):
        raise ValueError(f"generator={generator!r}; allowed: torch.Generator().manual_seed(SEED), or one an image")


def denoising_loss(
    process: NoiseProcess,
    denoiser: Callable[[Tensor, Tensor], Tensor],
    latents: Tensor,
    *,
    generator: Generators = None,
    snr_gamma: float | None = None,
    towards_noise: bool = False,
) -> Tensor:
    """Mean squared error of a denoiser's output on latents ``(B, C, h, w)`` noised to random timesteps.

    Args:
        process: Says what the output means.
        denoiser: Output for noisy latents at timesteps ``(B,)``.
        latents: Clean.
        generator: Of timesteps and noise, or one an image; None is PyTorch's own.
        snr_gamma: Bound of what a timestep's error of x0 weighs, see :func:`loss_weights`; None takes the output's own
            weights.
        towards_noise: Draw timesteps with a density that rises linearly towards noise, where a picture's content is
            decided, and not evenly.
    """
    share = draw(torch.rand, latents.shape[:1], generator, latents.device)
    t = process.timesteps_at(share.sqrt() if towards_noise else share)
    noise = draw(torch.randn, latents.shape, generator, latents.device).to(latents)
    output = denoiser(process.add_noise(latents, noise, t).to(latents.dtype), t).float()
    errors = (output - process.goal(latents, noise, t).float()).square().flatten(1).mean(1)  # (B,)
    return errors.mean() if snr_gamma is None else (loss_weights(process, t, snr_gamma) * errors).mean()


def draw(how: Callable[..., Tensor], shape: tuple[int, ...], generator: Generators, device: torch.device) -> Tensor:
    """Random numbers ``how(shape)`` on a device; with a generator an image, row by row from its own."""
    if isinstance(generator, Sequence):
        return torch.cat([how((1, *shape[1:]), generator=each) for each in generator]).to(device)
    return how(shape, generator=generator, device=generator.device if generator else device).to(device)


def loss_weights(process: NoiseProcess, t: Tensor, snr_gamma: float) -> Tensor:
    """Weight ``(B,)`` of the output's error at timesteps ``t`` ``(B,)``: min-SNR.

    An error of the predicted velocity is one of x0 times ``SNR + 1``, of the predicted noise times ``SNR``. The weight
    brings that factor down to ``snr_gamma`` where it is larger. Velocity at pure noise, SNR 0, keeps its weight of 1.

    Source:
        Hang et al., "Efficient Diffusion Training via Min-SNR Weighting" (arXiv:2303.09556). Differs: for velocity the
        factor itself is bounded, not the SNR, so that a schedule that ends in pure noise trains its last step too.
    """
    return (snr_gamma / process.error_factor(t).clamp_min(1e-8)).clamp_max(1)


def run_steps(
    prior: DiffusionPrior,
    current: Tensor,
    timesteps: Tensor,
    conditioning: Conditioning,
    *,
    unconditional: Conditioning | None = None,
    guidance_scale: float = 1.0,
    guidance_interval: tuple[float, float] = (0.0, 1.0),
    control: Control | None = None,
    null_control: Control | None = None,
    fresh: Sequence[Tensor] = (),
    kept_steps: int = 1,
) -> Tensor:
    """Steps of a schedule, which ends in the clean latents, from ``current``, noisy as its first timestep says.

    Deterministic; with ``fresh`` noises, one for every step but the last, a consistency model's steps, whose estimate
    of x0 is noised anew for the next timestep. For the backward pass the last ``kept_steps`` keep what they computed;
    those before are computed again. Guidance, where there is ``unconditional``, acts in ``guidance_interval`` of the
    noise schedule.
    """

    def step(current: Tensor, number: int) -> Tensor:
        t, following = timesteps[number], timesteps[number + 1]
        guided = prior.process.is_within(t, guidance_interval)
        x0, eps = prior.guide(
            current,
            t,
            conditioning,
            control=control,
            unconditional=unconditional if guided else None,
            null_control=null_control,
            guidance_scale=guidance_scale,
        )
        noise = fresh[number].to(x0) if fresh and number + 2 < len(timesteps) else eps
        return prior.process.add_noise(x0, noise, following)

    count = len(timesteps) - 1
    inputs = [current, conditioning.tokens, *([control.tokens] if control is not None else [])]
    for number in range(count):
        differentiated = torch.is_grad_enabled() and any(value.requires_grad for value in (*inputs, current))
        if differentiated and number < count - kept_steps:
            current = checkpoint(step, current, number, use_reentrant=False)
        else:
            current = step(current, number)
    return current
