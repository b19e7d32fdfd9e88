"""``hybrid``, ours: the published inverter's latents, refined under the prior; then pixels, where the layer fixes them.

Two phases of the loop. The first descends on the decoder's latents; a few calls of the denoiser hold them near what it
takes for clean ones. The second is ``direct`` from the best picture of the first.
"""

from __future__ import annotations

import torch

from inverter.config import HybridConfig
from inverter.losses.natural import total_variation_norm
from inverter.whitebox.adam import State, begin_adam
from inverter.whitebox.descent import Descent
from inverter.whitebox.direct import Direct
from inverter.whitebox.guided import predict
from inverter.whitebox.method import Method, Rendered, rates
from inverter.whitebox.noise import image_noise
from inverter.whitebox.problem import Problem

POLISH = ("auto", "true", "false")


class Refine(Descent):
    """Descent on the decoder's latents, drawn towards anchors: what the denoiser makes of them with some noise.

    The noise falls from ``strength`` of the schedule to nothing over the steps, the anchor is renewed every
    ``prior_every_n_steps``. Starts at the problem's latents, or at zero, the prior's mean, where it has none.

    Args:
        config: Steps, rate, weights.
    Raises:
        ValueError: A value that is not allowed.
    Source:
        Anchors: RED-diff, arXiv:2305.04391, of which this is the few-call form; the rest is ours.
    """

    variables = ("latents",)
    smoothed = "latents"

    def __init__(self, config: HybridConfig) -> None:
        super().__init__(config)
        if config.prior_every_n_steps < 0:
            raise ValueError(f"hybrid.prior_every_n_steps is {config.prior_every_n_steps}; allowed: 0 or more")
        if not 0 < config.strength <= 1:
            raise ValueError(f"hybrid.strength is {config.strength}; allowed: above 0, up to 1")
        self.config = config

    def begin(self, problem: Problem, best: State | None) -> State:
        shape = (len(problem.keys), *problem.model.latent_shape)
        if problem.latents is None:
            latents = torch.zeros(shape, dtype=problem.dtype, device=problem.device)
        else:
            latents = problem.latents.to(problem.dtype)
        if problem.chain is not None:
            latents = problem.chain.start(latents, follow=False)
        return begin_adam({"latents": latents, "anchor": latents, "rate": rates(latents)}, "latents")

    def render(self, problem: Problem, state: State, step: int) -> Rendered:
        latents, anchor = state["latents"], state["anchor"]
        if self.calls(problem, step):
            with torch.no_grad():
                anchor = self._anchor(problem, state, step)
        image = problem.model.decode(latents).to(problem.dtype)
        penalty = self.config.tv_weight * total_variation_norm(image)
        if self.config.prior_every_n_steps:
            penalty = penalty + self.config.prior_weight * (latents - anchor).square().flatten(1).mean(1)
        return Rendered(image, penalty, {"anchor": anchor})

    def update(self, problem: Problem, state: State, gradients: State, extra: State, step: int) -> State:
        return {**self.descend(state, "latents", gradients["latents"], self.config.lr, step), "anchor": extra["anchor"]}

    def calls(self, problem: Problem, step: int) -> int:
        every = self.config.prior_every_n_steps
        return problem.calls if every and step % every == 0 else 0

    def _anchor(self, problem: Problem, state: State, step: int) -> torch.Tensor:
        latents, scheduler = state["latents"].detach(), problem.model.scheduler
        left = self.config.strength * (1 - step / self.num_steps)
        t = torch.tensor(max(1, round(left * scheduler.config.num_train_timesteps)) - 1, device=problem.device)
        noise = image_noise(problem.keys, latents.shape[1:], problem.seed, "anchor", step).to(latents)
        noisy = scheduler.add_noise(latents, noise, t.expand(len(latents)))
        return predict(problem, noisy, t, scheduler.alphas_cumprod.to(latents.device)[t])[0]


def hybrid(config: HybridConfig, num_features: int, image_size: int) -> list[Method]:
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
    settled = num_features >= config.polish_ratio * 3 * image_size**2
    if polish == "true" or (polish == "auto" and settled):
        return [Refine(config), Direct(config.pixels, image_size, smoothed=False)]
    return [Refine(config)]
