"""Consistency distillation of the denoiser into a LoRA that draws in one to four steps."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from inverter.config import DistillConfig
from inverter.priors.few_step import add_lora
from inverter.priors.prior import DiffusionPrior
from inverter.priors.sampling import denoise
from inverter.priors.text import tokenize
from inverter.priors.training import LatentTraining, unfuse_attention_on_cpu
from inverter.training import build_optimizer


class DistillModule(LatentTraining):
    """Train a LoRA so that two neighbouring points of the guided denoiser's path give one image.

    The student's estimate of x0 at a timestep is drawn to its own estimate, without gradient, at the next timestep of
    the DDIM path that the base denoiser takes from there under guidance. At the end of the path the estimate is the
    point itself. Afterwards the student draws in few steps without guidance, and noises its estimate anew between them.

    Source:
        Latent consistency models (arXiv:2310.04378). Differs: one fixed guidance, no skip connection (the end of the
        path is the boundary condition), and the student as its own target.
    """

    def __init__(self, config: DistillConfig, prior: DiffusionPrior) -> None:
        super().__init__()
        if not 2 <= config.num_ddim_steps <= prior.scheduler.config.num_train_timesteps:
            longest = prior.scheduler.config.num_train_timesteps
            raise ValueError(f"num_ddim_steps is {config.num_ddim_steps}; allowed: 2 to {longest}")
        self.config, self.prior = config, prior
        prior.few_step = True
        self.num_parameters = add_lora(prior.unet, config.rank, config.max_megabytes)
        self.register_buffer("timesteps", path_timesteps(prior.scheduler, config.num_ddim_steps), persistent=False)
        self.register_buffer("no_prompt", tokenize(prior.tokenizer, [""]), persistent=False)

    def on_fit_start(self) -> None:
        unfuse_attention_on_cpu(self.prior.unet)

    def configure_optimizers(self) -> dict:
        trained = [parameter for parameter in self.prior.unet.parameters() if parameter.requires_grad]
        return build_optimizer(self, trained, self.config.optim)

    def loss(self, batch: dict, generator: torch.Generator | None) -> Tensor:
        prior, scheduler, latents = self.prior, self.prior.scheduler, batch["latents"]
        source, count = generator.device if generator else latents.device, len(self.timesteps) - 1
        place = torch.randint(0, count, (len(latents),), generator=generator, device=source).to(latents.device)
        t, nearer = self.timesteps[place], self.timesteps[place + 1]
        noise = torch.randn(latents.shape, generator=generator, device=source).to(latents)
        noisy = scheduler.add_noise(latents, noise, t)
        with torch.no_grad():
            text = prior.text_encoder(batch["tokens"])[0]
            empty = prior.text_encoder(self.no_prompt)[0].expand(len(latents), -1, -1)
        student = denoise(prior.unet, scheduler, noisy, t, text).float()
        with torch.no_grad():
            prior.unet.disable_adapters()
            x0 = denoise(prior.unet, scheduler, noisy, t, text).float()
            free = denoise(prior.unet, scheduler, noisy, t, empty).float()
            prior.unet.enable_adapters()
            there = ddim_step(scheduler, noisy, free + self.config.guidance_scale * (x0 - free), t, nearer)
            goal = denoise(prior.unet, scheduler, there, nearer.clamp_min(0), text).float()
            goal = torch.where((nearer < 0).view(-1, 1, 1, 1), there, goal)
        return pseudo_huber(student, goal, self.config.huber)


def path_timesteps(scheduler: DDIMScheduler, num_steps: int) -> Tensor:
    """Timesteps of a path of so many DDIM steps, from noise to image, and -1 for the image: ``(num_steps + 1,)``."""
    longest = scheduler.config.num_train_timesteps
    return torch.linspace(longest, 0, num_steps + 1).round().long() - 1  # trailing, as the scheduler samples


def ddim_step(scheduler: DDIMScheduler, noisy: Tensor, x0: Tensor, t: Tensor, goal: Tensor) -> Tensor:
    """Point of the deterministic path at timesteps ``goal`` ``(B,)`` (-1 is the image), from ``noisy`` at ``t``."""
    alphas = scheduler.alphas_cumprod.to(noisy.device)
    alpha = alphas[t].view(-1, 1, 1, 1)
    later = torch.where(goal < 0, torch.ones_like(alphas[0]), alphas[goal.clamp_min(0)]).view(-1, 1, 1, 1)
    noise = (noisy - alpha.sqrt() * x0) / (1 - alpha).sqrt()
    return later.sqrt() * x0 + (1 - later).sqrt() * noise


def pseudo_huber(a: Tensor, b: Tensor, scale: float) -> Tensor:
    """Mean of ``sqrt((a - b)^2 + scale^2) - scale``: squared below ``scale``, absolute above."""
    return ((a - b).square() + scale**2).sqrt().sub(scale).mean()
