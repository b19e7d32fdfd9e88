"""``guided``, DRAG's: the prior samples, and at each timestep the features pull on the noise that is added."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverter.losses.natural import mean_square, total_variation_norm
from inverter.priors.steps import count_steps, least_strength
from inverter.whitebox.adam import State, adam_direction, begin_adam
from inverter.whitebox.methods.guided import GuidedConfig
from inverter.whitebox.noise import image_noise
from inverter.whitebox.phase import Phase, Rendered, rates, rows
from inverter.whitebox.problem import Problem

STARTS = ("noise", "inverter")


class Guided(Phase):
    """DDIM whose noise lies on a sphere and points, partly, down the gradient of the feature loss.

    Args:
        config: Schedule and weights.
    Raises:
        ValueError: A value that is not allowed.
    Source:
        DRAG, github.com/ntuaislab/DRAG commit 32ffd8c, MIT; DRAG++ with ``start=inverter``. Differs: works on batches,
        every norm is an image's own, and any noise process is taken.
    """

    variables = ("latents",)
    patient = True

    def __init__(self, config: GuidedConfig) -> None:
        for name in ("num_inference_steps", "num_recurrences"):
            if getattr(config, name) < 1:
                raise ValueError(f"guided.{name} is {getattr(config, name)}; allowed: 1 or more")
        if config.start not in STARTS:
            raise ValueError(f"guided.start is {config.start!r}; allowed: {', '.join(STARTS)}")
        for name in ("guidance", "eta"):
            if not 0 <= getattr(config, name) <= 1:
                raise ValueError(f"guided.{name} is {getattr(config, name)}; allowed: 0 to 1")
        self.config = config
        self.share = 1.0 if config.start == "noise" else config.strength
        self.grid, self.recurrences = config.num_inference_steps, config.num_recurrences
        if not 0 < self.share <= 1 or count_steps(self.grid, self.share) < 1:
            raise ValueError(f"guided.strength is {config.strength}; allowed: {least_strength(self.grid)} to 1")
        super().__init__(self._length())

    def _length(self) -> int:
        return count_steps(self.grid, self.share) * self.recurrences

    def fit(self, max_queries: int | None) -> None:
        """Shorten the schedule to a budget: first fewer recurrences, then fewer timesteps."""
        if max_queries is None or self.num_steps <= max_queries:
            return
        timesteps = count_steps(self.grid, self.share)
        self.recurrences = max(1, max_queries // timesteps)
        if timesteps > max_queries:
            self.grid = math.ceil(max_queries / self.share)
        self.num_steps = self._length()

    def begin(self, problem: Problem, best: State | None) -> State:
        problem.check_base("guided")
        latents = image_noise(problem.keys, problem.model.latent_shape, problem.seed, "guided").to(
            problem.device, problem.dtype
        )
        if self.config.start == "inverter":
            if problem.latents is None:
                raise ValueError("guided.start is 'inverter', but there is none; allowed: noise, or name an inverter")
            latents = problem.model.add_noise(problem.latents, latents, self._schedule(problem)[0])
        return begin_adam({"latents": latents, "rate": rates(latents)}, "latents")

    def render(self, problem: Problem, state: State, step: int) -> Rendered:
        z = state["latents"]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.jacobian_free):
            x0, eps = problem.model.guide(z, self._timesteps(problem, step)[0], problem.text, **problem.guidance)
        through = z + (x0 - z).detach() if self.config.jacobian_free else x0
        image = problem.model.decode(through).to(z.dtype)
        penalty = self.config.l2_weight * mean_square(image)
        if self.config.tv_weight:
            penalty = penalty + self.config.tv_weight * total_variation_norm(image)
        return Rendered(image, penalty, {"x0": x0.detach(), "eps": eps.detach()})

    def update(self, problem: Problem, state: State, gradients: State, extra: State, step: int) -> State:
        config, gradient = self.config, gradients["latents"]
        norm = gradient.flatten(1).norm(dim=1)
        gradient = gradient * rows((config.clip / norm.clamp(min=1e-12)).clamp(max=1), gradient)
        smooth, state = adam_direction(state, "latents", gradient, (config.betas[0], config.betas[1]))
        process, (t, following) = problem.model.process, self._timesteps(problem, step)
        signal, spread = process.coefficients(t, gradient)
        next_signal, next_spread = process.coefficients(following, gradient)
        back = signal / next_signal
        s = config.eta * next_spread / spread * (spread**2 - (back * next_spread) ** 2).clamp(min=0).sqrt()
        radius = s * smooth[0].numel() ** 0.5
        xi = self._noise(problem, smooth, "guided noise", step)
        mixed = (1 - config.guidance) * s * xi - config.guidance * radius * unit(smooth)
        kept = (next_spread**2 - s**2).clamp(min=0).sqrt()
        z = next_signal * extra["x0"] + kept * extra["eps"] + radius * unit(mixed)
        if (step + 1) % self.recurrences:  # the same timestep again
            again = (spread**2 - (back * next_spread) ** 2).clamp(min=0).sqrt()
            z = back * z + again * self._noise(problem, z, "guided recurrence", step)
        return {**state, "latents": z}

    def repair(self, problem: Problem, state: State, best: State, extra: State, step: int) -> State:
        """A step without guidance: the schedule goes on."""
        finite = {name: values.nan_to_num(0, 0, 0) for name, values in extra.items()}
        return self.update(problem, state, {"latents": torch.zeros_like(state["latents"])}, finite, step)

    def calls(self, problem: Problem, step: int) -> int:
        return problem.calls

    def _noise(self, problem: Problem, like: Tensor, *label: object) -> Tensor:
        return image_noise(problem.keys, like.shape[1:], problem.seed, *label).to(like)

    def _schedule(self, problem: Problem) -> Tensor:
        return problem.model.schedule(self.grid, self.share)

    def _timesteps(self, problem: Problem, step: int) -> Tensor:
        """The step's timestep and the one after it."""
        number = step // self.recurrences
        return self._schedule(problem)[number : number + 2]


def unit(direction: Tensor) -> Tensor:
    """Each image's direction ``(B, ...)`` at length 1; 0 stays 0."""
    return direction / rows(direction.flatten(1).norm(dim=1).clamp(min=1e-12), direction)


def phases(config: GuidedConfig, num_features: int, size: int) -> list[Phase]:
    """The one phase, for a picture of ``size`` pixels a side."""
    return [Guided(config)]
