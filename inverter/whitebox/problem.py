"""What a white-box attacker holds for a batch: features, a network to differentiate, a prior; never an image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from inverter.losses.temporal import smoothing
from inverter.priors.conditioning import Conditioning
from inverter.priors.control import Control
from inverter.priors.prior import DiffusionPrior
from inverter.whitebox.goal import Goal


@dataclass(frozen=True)
class FrameCoupling:
    """Frames of one clip, in order, that are inverted jointly; z stands for what is smoothed: latents, or pixels.

    Args:
        weight: Of the smoothing term.
        pair_weights: ``(B,)``, of the pair that ends with each frame; the first counts only with ``before``.
        before: z of the frame before the first, held fixed; None where there is none.
        known: z ``(K, ...)`` of the first K frames from an earlier window.
        warm_start: A frame starts where the one before it does, as far as their pair's weight is above a half.
    """

    weight: float
    pair_weights: Tensor
    before: Tensor | None = None
    known: Tensor | None = None
    warm_start: bool = True

    def loss(self, values: Tensor) -> Tensor:
        """Each frame's term ``(B,)`` of the smoothing of z ``(B, ...)``."""
        weights = self.pair_weights.to(values)
        if self.before is None:
            weights = torch.cat([torch.zeros_like(weights[:1]), weights[1:]])
        return self.weight * smoothing(values, weights, self.before)

    def start(self, values: Tensor, follow: bool = True) -> Tensor:
        """Starting z ``(B, ...)``: known frames as they are known, others warm where ``follow``, else ``values``."""
        frames = list(values.unbind())
        known = 0 if self.known is None else len(self.known)
        if self.known is not None:
            frames[:known] = self.known.to(values).unbind()
        for i, weight in enumerate(self.pair_weights.tolist()):
            last = frames[i - 1] if i else self.before
            if i >= known and last is not None and follow and self.warm_start and weight > 0.5:
                frames[i] = last.to(values)
        return torch.stack(frames)


@dataclass(frozen=True)
class Problem:
    """A batch to invert.

    Args:
        keys: Names of the B images; noise depends on them.
        goal: Their features.
        prior: Latent diffusion model; None for methods without one.
        conditioning: Text of the B images for the prior's denoiser.
        unconditional: The same for the empty prompt.
        guidance_scale: Classifier-free guidance of the denoiser; 1 is none.
        control: How features reach the denoiser, from a black-box inverter; None where there is none.
        null_control: Control that knows nothing of them.
        latents: ``(B, C, h, w)`` to start from, such as a black-box inverter's; None where there are none.
        seed: Of all noise.
        coupling: Set where the images are frames of one clip.
    """

    keys: tuple[str, ...]
    goal: Goal
    prior: DiffusionPrior | None = None
    conditioning: Conditioning | None = None
    unconditional: Conditioning | None = None
    guidance_scale: float = 1.0
    control: Control | None = None
    null_control: Control | None = None
    latents: Tensor | None = None
    seed: int = 0
    coupling: FrameCoupling | None = None

    def select(self, index: Tensor) -> Problem:
        """The problem of some of the images; a coupling has no part."""
        return replace(
            self,
            keys=tuple(self.keys[i] for i in index.tolist()),
            goal=self.goal.select(index),
            conditioning=None if self.conditioning is None else self.conditioning[index],
            unconditional=None if self.unconditional is None else self.unconditional[index],
            control=None if self.control is None else self.control[index],
            null_control=None if self.null_control is None else self.null_control[index],
            latents=None if self.latents is None else self.latents[index],
        )

    @property
    def model(self) -> DiffusionPrior:
        """The prior, of methods that need one."""
        if self.prior is None:
            raise ValueError("prior is None; allowed: a latent diffusion prior, which this method searches in")
        return self.prior

    def check_base(self, method: str) -> None:
        """Raise ValueError where the prior is a few-step variant, whose draws the method's steps do not suit."""
        if self.model.few_step:
            raise ValueError(f"prior {self.model.name} draws in few steps, which {method} does not; allowed: the base")

    @property
    def noise_keys(self) -> tuple[str, ...]:
        """What an image's noise is drawn by: its key, or one for all frames of a clip, so that they move together."""
        return self.keys if self.coupling is None else ("clip",) * len(self.keys)

    @property
    def text(self) -> Conditioning:
        """The conditioning, of methods that call the denoiser."""
        if self.conditioning is None:
            raise ValueError("conditioning is None; allowed: that of B texts, which this method's denoiser needs")
        return self.conditioning

    @property
    def dtype(self) -> torch.dtype:
        """That of the features; images and latents have it too."""
        return next(iter(self.goal.features.values())).dtype

    @property
    def device(self) -> torch.device:
        return next(iter(self.goal.features.values())).device

    @property
    def guidance(self) -> dict[str, Any]:
        """Control and guidance, as the prior's ``guide`` takes them."""
        return {
            "control": self.control,
            "unconditional": self.unconditional if self.guidance_scale != 1 else None,
            "null_control": self.null_control,
            "guidance_scale": self.guidance_scale,
        }

    @property
    def calls(self) -> int:
        """Denoiser calls an image in one denoising step."""
        return 1 if self.guidance_scale == 1 else 2
