"""Distillation of a guided denoiser into a LoRA that draws in one to four steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from einops import rearrange
from torch import Tensor

from inverter.config import DistillConfig, OptimConfig
from inverter.priors.conditioning import Conditioning
from inverter.priors.few_step import add_lora
from inverter.priors.prior import DiffusionPrior
from inverter.priors.process import NoiseProcess
from inverter.priors.sampling import Generators, draw
from inverter.priors.text import tokenize
from inverter.priors.training.module import LatentTraining, unfuse_attention_on_cpu
from inverter.run.optimizer import build_optimizer

Estimate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""x0 and eps of noisy latents ``(B, C, h, w)`` at timesteps ``(B,)``."""


def phased_loss(
    process: NoiseProcess,
    student: Estimate,
    teacher: Estimate,
    latents: Tensor,
    path: Tensor,
    *,
    phase: int,
    hop: int = 1,
    huber: float,
    generator: Generators = None,
) -> Tensor:
    """Distance of where the student's one step to the end of a phase leads from where the teacher's path leads.

    The path is cut into phases. From a point on it, noised latents, the teacher goes ``hop`` steps of DDIM, and from
    there the student, without gradient, in one step to the end of the phase; where that is reached already, the point
    itself is the goal. With one phase for the whole path this trains a consistency model; with hops as long as the
    phases it is progressive distillation.

    Args:
        process: Of both.
        student: Its estimate has a gradient.
        teacher: The guided denoiser.
        latents: Clean, ``(B, C, h, w)``.
        path: Timesteps from noise to ``END``, ``(N + 1,)``, see :func:`path_timesteps`.
        phase: Steps of the path in a phase; it divides N.
        hop: Steps of the path that the teacher goes; it divides ``phase``.
        huber: Difference below which the loss is squared; as one of x0.
        generator: Of places and noise, or one an image; None is PyTorch's own.

    Source:
        Phased consistency models (arXiv:2405.18407), of which latent consistency models (arXiv:2310.04378) are the
        case of one phase, and progressive distillation (arXiv:2202.00512). Differs: one fixed guidance, no skip
        connection (the end of a phase is the boundary condition), and the student as its own target.
    """
    starts = (len(path) - 1) // hop
    place = hop * draw(partial(torch.randint, 0, starts), latents.shape[:1], generator, latents.device)
    t, end = path[place], path[(place // phase + 1) * phase]
    noise = draw(torch.randn, latents.shape, generator, latents.device).to(latents)
    noisy = process.add_noise(latents, noise, t)
    jumped = jump(process, student, noisy, t, end)
    with torch.no_grad():
        walked = noisy
        for number in range(hop):
            walked = jump(process, teacher, walked, path[place + number], path[place + number + 1])
        nearer, goal = path[place + hop], walked
        if hop < phase:
            goal = jump(process, student, walked, nearer.clamp_min(0), end)
            goal = torch.where(rearrange(nearer == end, "b -> b 1 1 1"), walked, goal)
        (signal, spread), (end_signal, end_spread) = (
            process.coefficients(t, latents),
            process.coefficients(end, latents),
        )
        per_x0 = end_signal - end_spread * signal / spread  # what an error of 1 in x0 is at the end of the phase
    return pseudo_huber(jumped / per_x0, goal / per_x0, huber)


def jump(process: NoiseProcess, estimate: Estimate, noisy: Tensor, t: Tensor, end: Tensor) -> Tensor:
    """One step of DDIM from timesteps ``t`` to ``end``, both ``(B,)``."""
    x0, eps = estimate(noisy, t)
    return process.add_noise(x0.float(), eps.float(), end)


class Distillation(LatentTraining):
    """Train a LoRA of a prior's denoiser towards what the denoiser itself draws under guidance, in more steps.

    Args:
        prior: Its denoiser gets the LoRA.
        rank: Of the LoRA.
        max_megabytes: It may have in half precision.
        num_ddim_steps: Of the guided path.
        num_phases: Parts of the path, each of which the student goes in one step; it divides ``num_ddim_steps``.
        optim: Of the LoRA.
    Raises:
        ValueError: The path has fewer than 2 steps or more than the schedule, or the LoRA is too large.
    """

    def __init__(
        self,
        prior: DiffusionPrior,
        rank: int,
        max_megabytes: float,
        num_ddim_steps: int,
        optim: OptimConfig,
        *,
        num_phases: int,
    ) -> None:
        super().__init__()
        longest = prior.process.num_train_timesteps
        if not 2 <= num_ddim_steps <= longest:
            raise ValueError(f"num_ddim_steps is {num_ddim_steps}; allowed: 2 to {longest}")
        self.prior, self.optim = prior, optim
        self.num_parameters = add_lora(prior.denoiser, rank, max_megabytes)
        self.register_buffer("timesteps", path_timesteps(prior, num_ddim_steps, num_phases), persistent=False)

    def on_fit_start(self) -> None:
        unfuse_attention_on_cpu(self.prior.denoiser)

    def configure_optimizers(self) -> dict:
        trained = [parameter for parameter in self.prior.denoiser.parameters() if parameter.requires_grad]
        return build_optimizer(self, trained, self.optim)

    def without_lora(self, estimate: Estimate) -> Estimate:
        """An estimate by the denoiser as it was before."""

        def base(noisy: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            self.prior.denoiser.disable_adapters()
            try:
                return estimate(noisy, t)
            finally:
                self.prior.denoiser.enable_adapters()

        return base


class DistillModule(Distillation):
    """Train a LoRA so that two neighbouring points of the guided denoiser's path give one image.

    Afterwards the student draws in few steps without guidance, and noises its estimate anew between them.
    """

    def __init__(self, config: DistillConfig, prior: DiffusionPrior) -> None:
        super().__init__(prior, config.rank, config.max_megabytes, config.num_ddim_steps, config.optim, num_phases=1)
        self.config = config
        prior.few_step = True
        self.register_buffer("no_prompt", tokenize(prior.tokenizer, [""]), persistent=False)

    def loss(self, batch: dict, generator: Generators) -> Tensor:
        prior, latents, scale = self.prior, batch["latents"], self.config.guidance_scale
        with torch.no_grad():
            text = Conditioning(prior.text_encoder(batch["tokens"])[0])
            empty = Conditioning(prior.text_encoder(self.no_prompt)[0]).expand(len(latents))
        return phased_loss(
            prior.process,
            lambda noisy, t: prior.predict(noisy, t, text),
            self.without_lora(lambda noisy, t: prior.guide(noisy, t, text, unconditional=empty, guidance_scale=scale)),
            latents,
            self.timesteps,
            phase=self.config.num_ddim_steps,
            huber=self.config.huber,
            generator=generator,
        )


def path_timesteps(prior: DiffusionPrior, num_steps: int, num_phases: int = 1) -> Tensor:
    """Timesteps of a path of so many steps, from noise to image, and ``END``: ``(num_steps + 1,)``.

    It is the sampler's own path; with several phases, these begin where a sampler of so many steps goes through.
    """
    path = prior.schedule(num_steps)
    if num_phases == 1:
        return path
    ends, size = prior.schedule(num_phases), num_steps // num_phases
    starts, lengths = path[:-1:size, None], path[:-1:size, None] - path[size::size, None]
    way = (starts - path[:-1].view(num_phases, size)) / lengths
    moved = ends[:-1, None] - way * (ends[:-1] - ends[1:])[:, None]
    if not path.is_floating_point():
        moved = moved.round()
    return torch.cat([moved.clamp_min(0).flatten().to(path), path[-1:]])


def pseudo_huber(a: Tensor, b: Tensor, scale: float) -> Tensor:
    """Mean of ``sqrt((a - b)^2 + scale^2) - scale``: squared below ``scale``, absolute above."""
    return ((a - b).square() + scale**2).sqrt().sub(scale).mean()
