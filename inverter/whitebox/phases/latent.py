"""``latent``, the paper's: the latent diffusion model's input latent, through denoiser and decoder."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.losses.natural import total_variation_norm
from inverter.priors.sampling import run_steps
from inverter.priors.steps import count_steps
from inverter.whitebox.adam import State, begin_adam
from inverter.whitebox.descent import Descent
from inverter.whitebox.methods.latent import LatentConfig
from inverter.whitebox.noise import image_noise
from inverter.whitebox.phase import Phase, Rendered, rates
from inverter.whitebox.problem import Problem


class Latent(Descent):
    """Minimise ||F(D(G(z, c))) - v||^2 + weight * TV over z, and over c where asked.

    G is deterministic on ``strength`` of a schedule of ``num_inference_steps``: DDIM, or a few-step variant whose noise
    between the steps is kept. All but the last ``kept_steps`` are computed again in the backward pass, so memory grows
    by one latent a step.
    With ``jacobian_free`` G's derivative by z is taken to be the identity: the denoiser runs forward only. With no
    steps z is the decoder's latent. z starts as noise (with no steps at 0); with ``strength`` below 1 at a black-box
    inverter's latents, noised to where the schedule begins.

    Args:
        config: Steps, rates, weights.
    Raises:
        ValueError: A value that is not allowed, or a combination that has no gradient.
    Source:
        arXiv:2412.10448, white-box attack. Differs: feature loss normalised by default; N, iterations and form of TV
        are ours, since the paper gives none.
    """

    smoothed = "latents"

    def __init__(self, config: LatentConfig) -> None:
        super().__init__(config)
        if config.num_inference_steps < 0:
            raise ValueError(f"latent.num_inference_steps is {config.num_inference_steps}; allowed: 0 or more")
        longest = config.num_inference_steps * config.strength
        if config.num_inference_steps and not (
            0 < longest <= 1000 and count_steps(config.num_inference_steps, config.strength)
        ):
            raise ValueError(
                f"latent.strength is {config.strength}, of latent.num_inference_steps={config.num_inference_steps}; "
                "allowed: up to 1, with at least one step left to run"
            )
        if config.kept_steps < 0:
            raise ValueError(f"latent.kept_steps is {config.kept_steps}; allowed: 0 or more")
        if config.optimise_conditioning and (config.jacobian_free or not config.num_inference_steps):
            raise ValueError(
                "latent.optimise_conditioning is true, but without the denoiser's gradient nothing depends on the "
                "conditioning; allowed: with latent.jacobian_free=false and latent.num_inference_steps of 1 or more"
            )
        self.config = config
        self.variables = ("latents", "conditioning") if config.optimise_conditioning else ("latents",)

    def begin(self, problem: Problem, best: State | None) -> State:
        prior = problem.model
        noise = image_noise(problem.keys, prior.latent_shape, problem.seed, "latent").to(problem.device, problem.dtype)
        if self.config.strength >= 1:
            latents = noise if self.config.num_inference_steps else torch.zeros_like(noise)
        elif problem.latents is None:
            raise ValueError(
                f"latent.strength is {self.config.strength}, but there is no inverter; allowed: 1, or name an inverter"
            )
        elif not self.config.num_inference_steps:
            latents = problem.latents
        else:
            latents = prior.add_noise(problem.latents, noise, self._schedule(problem)[0])
        if problem.coupling is not None:
            latents = problem.coupling.start(latents, follow=problem.latents is None)
        state = begin_adam({"latents": latents, "rate": rates(latents)}, "latents")
        if self.config.optimise_conditioning:
            state = begin_adam({**state, "conditioning": problem.text.tokens}, "conditioning")
        return state

    def render(self, problem: Problem, state: State, step: int) -> Rendered:
        latents = self.generate(problem, state["latents"], state.get("conditioning"))
        image = problem.model.decode(latents).to(problem.dtype)
        return Rendered(image, self.config.tv_weight * total_variation_norm(image, self.config.tv_beta))

    def generate(self, problem: Problem, latents: Tensor, conditioning: Tensor | None = None) -> Tensor:
        """G(z, c): the decoder's latents ``(B, C, h, w)`` of input latents ``(B, C, h, w)``; None: the problem's c."""
        if not self.config.num_inference_steps:
            return latents
        timesteps, text = self._schedule(problem), problem.text
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.jacobian_free):
            drawn = run_steps(
                problem.model,
                latents,
                timesteps,
                text if conditioning is None else text.with_tokens(conditioning),
                **problem.guidance,
                fresh=self._fresh(problem, latents, len(timesteps) - 1),
                kept_steps=self.config.kept_steps,
            )
        return latents + (drawn - latents).detach() if self.config.jacobian_free else drawn

    def update(self, problem: Problem, state: State, gradients: State, extra: State, step: int) -> State:
        for name, lr in (("latents", self.config.lr), ("conditioning", self.config.conditioning_lr)):
            if name in gradients:
                state = self.descend(state, name, gradients[name], lr, step)
        return state

    def calls(self, problem: Problem, step: int) -> int:
        return count_steps(self.config.num_inference_steps, self.config.strength) * problem.calls

    def _fresh(self, problem: Problem, latents: Tensor, num_steps: int) -> list[Tensor]:
        """Noise between the steps of a few-step variant, the same in every iteration and for all frames of a clip."""
        if not problem.model.few_step:
            return []
        keys, shape, seed = problem.noise_keys, latents.shape[1:], problem.seed
        return [image_noise(keys, shape, seed, "latent step", number).to(latents) for number in range(1, num_steps)]

    def _schedule(self, problem: Problem) -> Tensor:
        return problem.model.schedule(self.config.num_inference_steps, self.config.strength)


def phases(config: LatentConfig, num_features: int, size: int) -> list[Phase]:
    """The one phase, for a picture of ``size`` pixels a side."""
    return [Latent(config)]
