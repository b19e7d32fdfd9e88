"""``hybrid``, ours: the published inverter's latents, refined under the prior; then pixels, where the layer fixes them.

Two phases of the loop. The first descends on the decoder's latents; at first a few calls of the denoiser lead
them from noise to what the prior takes for a picture. The second is ``direct`` from the best picture of the first.
"""

from __future__ import annotations

import logging

import torch

from inverter.losses.natural import total_variation_norm
from inverter.whitebox.adam import State, begin_adam
from inverter.whitebox.descent import Descent
from inverter.whitebox.gradient import finite_rows
from inverter.whitebox.methods.hybrid import HybridConfig
from inverter.whitebox.noise import image_noise
from inverter.whitebox.phase import Phase, Rendered, rates, rows
from inverter.whitebox.phases.direct import Direct
from inverter.whitebox.problem import Problem

log = logging.getLogger(__name__)
POLISH = ("auto", "true", "false")
SETTLED_STRENGTH, OPEN_STRENGTH = 0.15, 0.8


class Refine(Descent):
    """Descent on the decoder's latents, between whose steps the prior draws: DDIM with a long way from call to call.

    At a call the latents get the noise of a timestep and are replaced by what the denoiser makes of them; the noise it
    sees is kept for the next call. The timesteps fall from ``strength`` of the schedule to nothing over the share
    ``prior_until`` of the steps. The rest of the steps only descend. Starts at the problem's latents; where it has
    none, at noise alone. Frames of a clip that are known from an earlier window are not drawn again, nor is an image
    whose draw is not finite.

    Args:
        config: Steps, rate, weights.
        strength: Of the noise that a start gets.
    Raises:
        ValueError: A value that is not allowed, or a few-step prior.
    Source:
        Descent on the denoised estimate between the steps of a sampler: ReSample, arXiv:2307.08123, and DAPS,
        arXiv:2407.01521, of which this is a form for few calls; start, schedule and rest without calls are ours.
    """

    variables = ("latents",)
    smoothed = "latents"
    patient = True

    def __init__(self, config: HybridConfig, strength: float) -> None:
        super().__init__(config)
        if config.prior_every_n_steps < 0:
            raise ValueError(f"hybrid.prior_every_n_steps is {config.prior_every_n_steps}; allowed: 0 or more")
        for name, share in (("strength", strength), ("prior_until", config.prior_until)):
            if not 0 < share <= 1:
                raise ValueError(f"hybrid.{name} is {share}; allowed: above 0, up to 1")
        self.config, self.strength = config, strength

    def begin(self, problem: Problem, best: State | None) -> State:
        problem.check_base("hybrid")
        noise = image_noise(problem.noise_keys, problem.model.latent_shape, problem.seed, "hybrid").to(
            problem.device, problem.dtype
        )
        if problem.latents is None and (strength := self.config.strength) is not None:
            log.warning("hybrid.strength=%s changes nothing: without an inverter the search starts at noise", strength)
        latents = torch.zeros_like(noise) if problem.latents is None else problem.latents.to(problem.dtype)
        if problem.coupling is not None:
            latents = problem.coupling.start(latents, follow=False)
        return begin_adam({"latents": latents, "noise": noise, "rate": rates(latents)}, "latents")

    @torch.no_grad()
    def prepare(self, problem: Problem, state: State, step: int) -> State:
        if not self.prepare_calls(problem, step):
            return state
        process = problem.model.process
        strength = 1.0 if problem.latents is None else self.strength
        left = strength * (1 - step / (self.config.prior_until * self.num_steps))
        t = process.timesteps_at(torch.tensor([left - 0.5 / process.num_train_timesteps]))[0].to(problem.device)
        noisy = process.add_noise(state["latents"], state["noise"], t)
        latents, noise = problem.model.guide(noisy, t, problem.text, **problem.guidance)
        drawn = finite_rows(latents) & finite_rows(noise)
        if problem.coupling is not None and problem.coupling.known is not None:
            drawn[: len(problem.coupling.known)] = False
        new = rows(drawn, latents) > 0
        latents, noise = (torch.where(new, one, state[name]) for name, one in (("latents", latents), ("noise", noise)))
        return {**state, "latents": latents, "noise": noise}

    def render(self, problem: Problem, state: State, step: int) -> Rendered:
        image = problem.model.decode(state["latents"]).to(problem.dtype)
        return Rendered(image, self.config.tv_weight * total_variation_norm(image))

    def update(self, problem: Problem, state: State, gradients: State, extra: State, step: int) -> State:
        return self.descend(state, "latents", gradients["latents"], self.config.lr, step)

    def prepare_calls(self, problem: Problem, step: int) -> int:
        every = self.config.prior_every_n_steps
        due = every and step % every == 0 and step < self.config.prior_until * self.num_steps
        return problem.calls if due else 0


def phases(config: HybridConfig, num_features: int, image_size: int) -> list[Phase]:
    """The phases: refinement, and polishing where ``polish`` says so.

    Args:
        config: Of both phases.
        num_features: Numbers that travel for an image.
        image_size: Pixels a side of the prior's pictures.
    Raises:
        ValueError: ``polish`` is none of auto, true and false.
    """
    polish = str(config.polish).lower()
    if polish not in POLISH:
        raise ValueError(f"hybrid.polish is {config.polish!r}; allowed: {', '.join(POLISH)}")
    settled = num_features >= config.settled_ratio * 3 * image_size**2
    strength = config.strength
    if strength is None:
        strength = SETTLED_STRENGTH if settled else OPEN_STRENGTH
    refine = Refine(config, strength)
    if polish == "true" or (polish == "auto" and settled):
        return [refine, Direct(config.pixels, image_size, smoothed=False)]
    return [refine]
