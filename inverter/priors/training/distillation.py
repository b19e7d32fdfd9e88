"""Consistency distillation of the denoiser into a LoRA that draws in one to four steps."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.config import DistillConfig
from inverter.priors.conditioning import Conditioning
from inverter.priors.few_step import add_lora
from inverter.priors.prior import DiffusionPrior
from inverter.priors.text import tokenize
from inverter.priors.training.module import LatentTraining, unfuse_attention_on_cpu
from inverter.run.training import build_optimizer


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
        longest = prior.process.num_train_timesteps
        if not 2 <= config.num_ddim_steps <= longest:
            raise ValueError(f"num_ddim_steps is {config.num_ddim_steps}; allowed: 2 to {longest}")
        self.config, self.prior = config, prior
        prior.few_step = True
        self.num_parameters = add_lora(prior.denoiser, config.rank, config.max_megabytes)
        self.register_buffer("timesteps", path_timesteps(longest, config.num_ddim_steps), persistent=False)
        self.register_buffer("no_prompt", tokenize(prior.tokenizer, [""]), persistent=False)

    def on_fit_start(self) -> None:
        unfuse_attention_on_cpu(self.prior.denoiser)

    def configure_optimizers(self) -> dict:
        trained = [parameter for parameter in self.prior.denoiser.parameters() if parameter.requires_grad]
        return build_optimizer(self, trained, self.config.optim)

    def loss(self, batch: dict, generator: torch.Generator | None) -> Tensor:
        prior, process, latents = self.prior, self.prior.process, batch["latents"]
        source, count = generator.device if generator else latents.device, len(self.timesteps) - 1
        place = torch.randint(0, count, (len(latents),), generator=generator, device=source).to(latents.device)
        t, nearer = self.timesteps[place], self.timesteps[place + 1]
        noise = torch.randn(latents.shape, generator=generator, device=source).to(latents)
        noisy = process.add_noise(latents, noise, t)
        with torch.no_grad():
            text = Conditioning(prior.text_encoder(batch["tokens"])[0])
            empty = Conditioning(prior.text_encoder(self.no_prompt)[0]).expand(len(latents))
        student = prior.predict(noisy, t, text)[0].float()
        with torch.no_grad():
            prior.denoiser.disable_adapters()
            scale = self.config.guidance_scale
            x0, eps = prior.guide(noisy, t, text, unconditional=empty, guidance_scale=scale)
            prior.denoiser.enable_adapters()
            there = process.add_noise(x0.float(), eps.float(), nearer)
            goal = prior.predict(there, nearer.clamp_min(0), text)[0].float()
            goal = torch.where((nearer < 0).view(-1, 1, 1, 1), there, goal)
        return pseudo_huber(student, goal, self.config.huber)


def path_timesteps(longest: int, num_steps: int) -> Tensor:
    """Timesteps of a path of so many steps, from noise to image, and ``END``: ``(num_steps + 1,)``."""
    return torch.linspace(longest, 0, num_steps + 1).round().long() - 1  # trailing, as the scheduler samples


def pseudo_huber(a: Tensor, b: Tensor, scale: float) -> Tensor:
    """Mean of ``sqrt((a - b)^2 + scale^2) - scale``: squared below ``scale``, absolute above."""
    return ((a - b).square() + scale**2).sqrt().sub(scale).mean()
