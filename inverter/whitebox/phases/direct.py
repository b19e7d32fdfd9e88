"""``direct``: the pixels themselves, held natural by total variation and a norm."""

from __future__ import annotations

import torch

from inverter.losses.natural import alpha_norm, total_variation_norm
from inverter.whitebox.adam import State, begin_adam, decayed
from inverter.whitebox.descent import Descent
from inverter.whitebox.methods.direct import DirectConfig
from inverter.whitebox.noise import image_noise
from inverter.whitebox.phase import Phase, Rendered, rates
from inverter.whitebox.problem import Problem


class Direct(Descent):
    """Adam on pixels, which are clamped to [0, 1] after every step (a projection: no gradient dies at the ends).

    Args:
        config: Steps, rate, priors.
        image_size: Pixels a side.
        smoothed: Smooth the pixels of a clip's frames.
    Source:
        Mahendran and Vedaldi, arXiv:1412.0035 (norms); rMLE of He et al., ACSAC 2019, as in GLASS and DRAG (descent).
        Differs: normalised feature distance, projection, falling rate.
    """

    variables = ("image",)

    def __init__(self, config: DirectConfig, image_size: int, smoothed: bool = True) -> None:
        super().__init__(config)
        decayed(config.tv_weight, "tv_decay", config.tv_decay, 0, 1)
        self.config, self.image_size = config, image_size
        self.smoothed = "image" if smoothed else None

    def begin(self, problem: Problem, best: State | None) -> State:
        if best is not None:
            image = best["image"]
        else:
            shape = (3, self.image_size, self.image_size)
            noise = image_noise(problem.keys, shape, problem.seed, "direct").to(problem.device, problem.dtype)
            image = (0.5 + self.config.init_std * noise).clamp(0, 1)
            image = image if problem.coupling is None else problem.coupling.start(image)
        return begin_adam({"image": image, "rate": rates(image)}, "image")

    def render(self, problem: Problem, state: State, step: int) -> Rendered:
        image, config = state["image"], self.config
        tv_weight = decayed(config.tv_weight, "tv_decay", config.tv_decay, step, self.num_steps)
        penalty = tv_weight * total_variation_norm(image, config.tv_beta)
        if config.norm_weight:
            penalty = penalty + config.norm_weight * alpha_norm(image, config.norm_alpha)
        return Rendered(image, penalty)

    def update(self, problem: Problem, state: State, gradients: State, extra: State, step: int) -> State:
        state = self.descend(state, "image", gradients["image"], self.config.lr, step)
        return {**state, "image": torch.clamp(state["image"], 0, 1)}


def phases(config: DirectConfig, num_features: int, size: int) -> list[Phase]:
    """The one phase, for a picture of ``size`` pixels a side."""
    return [Direct(config, size)]
