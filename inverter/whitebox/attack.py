"""An attack: a method, the target it may differentiate, its prior and its start; features in, pictures out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inverter.blackbox.inverter import Inverter
from inverter.config.arguments import check_numbers, real_number, whole_number
from inverter.priors.conditioning import Conditioning
from inverter.priors.prior import DiffusionPrior
from inverter.run.seeds import derive_seed
from inverter.targets.target import MultiTarget, Target
from inverter.whitebox.config import MethodsConfig
from inverter.whitebox.differentiable import check_differentiable
from inverter.whitebox.goal import match
from inverter.whitebox.loop import Result, Show, iterate, optimise
from inverter.whitebox.methods import METHODS, starts_at_inverter
from inverter.whitebox.phase import Phase
from inverter.whitebox.problem import FrameCoupling, Problem
from inverter.whitebox.saved import SavedState

HOW_MADE = {"prior": "what load_prior returns", "inverter": "what Inverter.from_pretrained returns"}


@dataclass(frozen=True)
class Attack:
    """Invert features by differentiating the target.

    Args:
        method: Name of a registered one, such as ``direct``, ``latent``, ``guided`` and ``hybrid``.
        target: The network, tapped where the features come from.
        prior: Latent diffusion model; ``direct`` needs none.
        config: Parameters of the methods and of the loop.
        inverter: A black-box inverter of the same features with the same prior, which ``hybrid``,
            ``guided.start=inverter`` and ``latent.strength`` below 1 start from: at what it draws where features
            control the denoiser, which they then do in the method's own calls too; else at its aligned latents.
        std: By layer, deviation of each channel that the loss is normalised by; absent layers by their own features.
        image_size: Pixels a side; None takes the prior's, which methods with a prior always do.
        guidance_scale: Classifier-free guidance of the denoiser; 1 is none.
        seed: With an image's key it decides all noise.
    Raises:
        ValueError: An unknown method, or one without the prior or image size that it needs; arguments of other kinds,
            or settings that are no numbers or below 0.
    """

    method: str
    target: Target | MultiTarget
    prior: DiffusionPrior | None = None
    config: MethodsConfig = field(default_factory=MethodsConfig)
    inverter: Inverter | None = None
    std: Mapping[str, Tensor] = field(default_factory=dict)
    image_size: int | None = None
    guidance_scale: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        needs_prior = METHODS[self.method].needs_prior
        for name, made in HOW_MADE.items():
            if isinstance(value := getattr(self, name), str | Path):
                raise ValueError(f"{name} is {str(value)!r}; allowed: None, or {made} of it")
        if not isinstance(self.target, Target | MultiTarget):
            kind = type(self.target).__name__
            raise ValueError(f"target is a {kind}; allowed: what load_target or load_targets returns of it")
        if not isinstance(self.config, MethodsConfig):
            raise ValueError(f"config is a {type(self.config).__name__}; allowed: MethodsConfig()")
        for name in ("loop", "smoothing", self.method):
            if (section := getattr(self.config, name, None)) is not None:
                check_numbers(section, name)
        if self.image_size is not None and whole_number("image_size", self.image_size) < 1:
            raise ValueError(f"image_size is {self.image_size}; allowed: 1 or more")
        whole_number("seed", self.seed)
        real_number("guidance_scale", self.guidance_scale)
        if self.prior is None and (needs_prior or self.image_size is None):
            allowed = "a prior" if needs_prior else "a prior, or image_size"
            raise ValueError(f"prior is None; allowed for method={self.method!r}: {allowed}")

    @property
    def size(self) -> int:
        """Pixels a side of the pictures that are found."""
        if self.image_size is not None and not METHODS[self.method].needs_prior:
            return self.image_size
        return self.prior.resolution if self.prior is not None else 0

    def invert(
        self,
        features: Tensor | Mapping[str, Tensor],
        keys: Sequence[str] | None = None,
        *,
        prompts: Sequence[str | None] | None = None,
        coupling: FrameCoupling | None = None,
        saved: SavedState | None = None,
        show: Show | None = None,
    ) -> Result:
        """Find pictures with these features.

        Args:
            features: ``(B, *tensor_shape)``, or these by layer; of joint layers each is matched by itself.
            keys: Names of the B images, which decide their noise; None numbers them.
            prompts: One an image; None stands for the inverter's conditioning where there is one, else the empty one.
            coupling: Set where the images are frames of a clip.
            saved: Where a stopped run goes on from.
            show: Progress.
        Raises:
            ValueError: Features of another shape than the target's, integers, not finite, or without a gradient by the
                image; keys or prompts that are not one an image; more as :func:`optimise`.
        """
        begun = time.monotonic()
        problem = self._problem(features, keys, prompts, coupling)
        return self._with_start(optimise(problem, self.phases(), self.config.loop, saved=saved, show=show, begun=begun))

    def iterates(
        self,
        features: Tensor | Mapping[str, Tensor],
        keys: Sequence[str] | None = None,
        *,
        prompts: Sequence[str | None] | None = None,
    ) -> Iterator[Result]:
        """What :meth:`invert` would return after each step; closing the iterator ends the search.

        Args and errors are those of :meth:`invert`; errors come with the first step.
        """
        begun = time.monotonic()
        problem = self._problem(features, keys, prompts, None)
        for result in iterate(problem, self.phases(), self.config.loop, begun=begun):
            yield self._with_start(result)

    def _problem(
        self,
        features: Tensor | Mapping[str, Tensor],
        keys: Sequence[str] | None,
        prompts: Sequence[str | None] | None,
        coupling: FrameCoupling | None,
    ) -> Problem:
        by_layer = dict(features) if isinstance(features, Mapping) else {self.layers[0]: features}
        by_layer = {layer: _computable(values, layer) for layer, values in by_layer.items()}
        self._check(by_layer)
        check_differentiable(self.target, self.size)
        size = len(next(iter(by_layer.values())))
        names = tuple(map(str, range(size) if keys is None else keys))
        for name, given in (("keys", keys), ("prompts", prompts)):
            if isinstance(given, str) or (given is not None and len(given) != size):
                count = repr(given) if isinstance(given, str) else len(given)
                raise ValueError(f"{name} are {count}; allowed: {size}, one an image")
        goal = match(self.target, by_layer, self.config.loop.distance, self.std)
        start = self._start(by_layer, prompts, names)
        problem = Problem(
            names, goal, self.prior, guidance_scale=self.guidance_scale, seed=self.seed, coupling=coupling
        )
        if self.prior is not None and METHODS[self.method].needs_prior:
            problem = replace(
                problem,
                conditioning=self._condition([prompt or "" for prompt in prompts or [None] * size]),
                unconditional=self._condition([""]).expand(size) if self.guidance_scale != 1 else None,
            )
        return problem if start is None else replace(problem, **start)

    def _with_start(self, result: Result) -> Result:
        """With the denoiser's calls of the draw that the search began with."""
        if not self._starts_at_inverter or self.inverter is None or self.inverter.spec.conditioning != "control":
            return result
        calls = result.counts["denoiser_calls"] + self.inverter.denoiser_calls()
        return replace(result, counts={**result.counts, "denoiser_calls": calls})

    @property
    def _starts_at_inverter(self) -> bool:
        return self.inverter is not None and starts_at_inverter(self.method, self.config)

    @property
    def layers(self) -> tuple[str, ...]:
        return self.target.layers

    def phases(self) -> list[Phase]:
        """The method's phases, fitted to the budget of target queries."""
        num_features = sum(spec.num_features for spec in self.target.specs.values())
        phases = METHODS[self.method].phases(getattr(self.config, self.method, None), num_features, self.size)
        total, budget = sum(phase.num_steps for phase in phases), self.config.loop.max_queries
        for phase in phases:
            phase.fit(None if budget is None else max(1, budget * phase.num_steps // total))
        return phases

    @torch.no_grad()
    def _start(
        self, features: Mapping[str, Tensor], prompts: Sequence[str | None] | None, keys: Sequence[str]
    ) -> dict[str, Any] | None:
        """What the inverter gives a problem: latents, and control where features reach the denoiser by it."""
        if self.inverter is None or not self._starts_at_inverter:
            return None
        inverter = self.inverter
        encoding = inverter.encode(features[self.layers[0]])
        conditioning, control = inverter.under_prompt(prompts, encoding.control)
        latents = encoding.latents.to(next(iter(features.values())).dtype)
        start = {"control": control, "null_control": inverter.null_control(len(latents))}
        if inverter.spec.conditioning == "control":
            generators = [torch.Generator().manual_seed(derive_seed(self.seed, "start", key)) for key in keys]
            latents = inverter.draw(conditioning, latents, control, generator=generators)
        return {**start, "latents": latents}

    @torch.no_grad()
    def _condition(self, prompts: Sequence[str]) -> Conditioning:
        if self.prior is None:
            raise ValueError("prior is None; allowed with prompts: a prior")
        return self.prior.condition(prompts)

    def _check(self, features: Mapping[str, Tensor]) -> None:
        if set(features) != set(self.layers):
            raise ValueError(
                f"features are of layers {sorted(features)}; the target is tapped at {sorted(self.layers)}"
            )
        for layer, values in features.items():
            expected = self.target.specs[layer].tensor_shape
            if tuple(values.shape[1:]) != expected or len(values) == 0:
                raise ValueError(f"features have shape {tuple(values.shape)}; {layer} gives (B, {expected})")


def _computable(features: Tensor, layer: str) -> Tensor:
    """In float32 where they travelled in half precision, in which neither prior nor optimiser computes."""
    if not isinstance(features, Tensor):
        kind = type(features).__name__
        raise ValueError(f"features of {layer} are a {kind}; allowed: a tensor, such as torch.from_numpy of an array")
    if not features.is_floating_point():
        raise ValueError(f"features of {layer} are {features.dtype}; allowed: floating point")
    return features.float() if features.dtype in (torch.float16, torch.bfloat16) else features
