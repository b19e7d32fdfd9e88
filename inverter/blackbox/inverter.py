"""The inverter: aligner, image head and prior behind two operating points. This is what gets published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inverter.blackbox.aligner import Aligner, ImageHead
from inverter.blackbox.spec import InverterSpec
from inverter.priors.prior import DiffusionPrior
from inverter.targets.spec import TargetSpec


class _Shared:
    """Holds the frozen prior outside of the module tree; copies of an inverter (such as its average) share it."""

    def __init__(self, prior: DiffusionPrior | None) -> None:
        self.prior = prior

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


class Inverter(nn.Module):
    """Reconstruct images from features: ``mean`` in one pass, ``sample`` with the prior drawing what is left open.

    The prior is used and not owned: its weights are neither parameters nor part of the state dict. It follows the
    inverter to another device, dtype or memory format.
    """

    def __init__(self, spec: InverterSpec, prior: DiffusionPrior | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.aligner = Aligner(
            spec.feature_shape,
            spec.latent_shape,
            spec.conditioning_shape,
            width=spec.width,
            depth=spec.depth,
            num_tokens=spec.num_tokens,
            dropout=spec.dropout,
            feature_mean=spec.feature_mean or None,
            feature_std=spec.feature_std or None,
        )
        upsampling = spec.resolution // spec.latent_shape[-1]
        self.head = ImageHead(spec.width, spec.head_width, upsampling) if spec.head_width else None
        self._shared = _Shared(prior)

    @property
    def prior(self) -> DiffusionPrior:
        prior = self._shared.prior
        if prior is None:
            raise ValueError("this inverter has no prior attached; call attach(prior) first")
        return prior

    def attach(self, prior: DiffusionPrior) -> Inverter:
        """Use ``prior`` from now on; its latents and conditioning must have the inverter's shapes.

        Weights are not compared; :func:`inverter.hub.load_inverter` refuses a prior that it was not trained with.
        """
        for name in ("latent_shape", "conditioning_shape", "resolution"):
            mine, its = getattr(self.spec, name), getattr(prior, name)
            if mine != its:
                raise ValueError(f"prior {prior.name!r} has {name} {its}; this inverter was trained for {mine}")
        self._shared = _Shared(prior)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Inverter:
        if self._shared.prior is not None:
            self._shared.prior._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def align(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Latents ``(B, C, h, w)`` and conditioning ``(B, K, D)`` of features ``(B, *feature_shape)``."""
        latents, conditioning, _ = self.aligner(features)
        return latents.float(), conditioning.float()

    def reconstruct(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Latents, conditioning, decoded image and image with the head's residual, both images unclamped."""
        latents, conditioning, trunk = self.aligner(features)
        decoded = self.prior.decode(latents, clamp=False).float()
        lifted = decoded if self.head is None else decoded + self.head(trunk, decoded.detach()).float()
        return latents.float(), conditioning.float(), decoded, lifted

    @torch.no_grad()
    def mean(self, features: Tensor, head: bool = True) -> Tensor:
        """One pass: images ``(B, 3, S, S)`` in [0, 1], best in PSNR; ``head=False`` leaves the image head out."""
        _, _, decoded, lifted = self.reconstruct(features)
        return (lifted if head else decoded).clamp(0, 1)

    @torch.no_grad()
    def sample(
        self,
        features: Tensor,
        *,
        prompt: str | Sequence[str | None] | None = None,
        strength: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
    ) -> Tensor:
        """The prior denoises from the aligned latents: images ``(B, 3, S, S)`` in [0, 1], best in recognition.

        Args:
            features: ``(B, *feature_shape)``.
            prompt: Text in place of the predicted conditioning, for all images or one each; None keeps it predicted.
            strength: 0 keeps the aligned latents, 1 starts from noise; None as published.
            num_inference_steps: Steps of the whole schedule; None as published.
            guidance_scale: None as published.
            generator: CPU generator of the noise, or one an image.
        """
        latents, conditioning = self.align(features)
        if prompt is not None:
            prompts = [prompt] * len(latents) if isinstance(prompt, str) else list(prompt)
            if len(prompts) != len(latents):
                raise ValueError(
                    f"prompt has {len(prompts)} texts for {len(latents)} images; allowed: one, or one each"
                )
            given = torch.tensor([text is not None for text in prompts], device=conditioning.device)
            texts = self.prior.embed([text or "" for text in prompts])
            conditioning = torch.where(given[:, None, None], texts, conditioning)
        drawn = self.prior.sample(
            conditioning,
            latents=latents,
            strength=self.spec.strength if strength is None else strength,
            num_inference_steps=self.spec.num_inference_steps if num_inference_steps is None else num_inference_steps,
            guidance_scale=self.spec.guidance_scale if guidance_scale is None else guidance_scale,
            generator=generator,
        )
        return self.prior.decode(drawn)

    @classmethod
    def from_pretrained(
        cls, name: str, target: TargetSpec | None = None, prior: DiffusionPrior | str | None = None
    ) -> Inverter:
        """Load a published inverter and its prior by name, folder or hub id; ``target.spec`` is checked when given.

        See :func:`inverter.hub.load_inverter`.
        """
        from inverter.hub import load_inverter

        return load_inverter(name, prior, target)
