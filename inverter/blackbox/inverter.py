"""The inverter: conditioner, image head and prior behind two operating points. This is what gets published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from inverter.blackbox.conditioner import Conditioner, Encoding
from inverter.blackbox.grid import Standardise
from inverter.blackbox.head import ImageHead
from inverter.blackbox.spec import InverterSpec
from inverter.blackbox.token_conditioner import TokenConditioner
from inverter.config import DrawConfig
from inverter.priors.conditioning import Conditioning
from inverter.priors.control import Control, ControlShape
from inverter.priors.prior import DiffusionPrior
from inverter.targets.spec import TargetSpec

if TYPE_CHECKING:
    from inverter.blackbox.published import Published


class _Shared:
    """Holds the prior outside of the module tree; copies of an inverter (such as its average) share it."""

    def __init__(self, prior: DiffusionPrior | None) -> None:
        self.prior = prior

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


class Inverter(nn.Module):
    """Reconstruct images from features: ``mean`` in one pass, ``sample`` with the prior drawing what is left open.

    The prior is used and not owned: its weights are neither parameters nor part of the state dict. It follows the
    inverter to another device, dtype or memory format.
    """

    def __init__(
        self, spec: InverterSpec, prior: DiffusionPrior | None = None, control_shape: ControlShape | None = None
    ) -> None:
        """``control_shape`` is needed where there is no prior to ask."""
        super().__init__()
        self.spec = spec
        self.conditioner = build_conditioner(spec, prior.control_shape if prior is not None else control_shape)
        upsampling = spec.resolution // spec.latent_shape[-1]
        self.head = ImageHead(spec.width, spec.head_width, upsampling) if spec.head_width else None
        self._shared = _Shared(prior)
        self.published: Published | None = None

    @property
    def prior(self) -> DiffusionPrior:
        prior = self._shared.prior
        if prior is None:
            raise ValueError("this inverter has no prior attached; call attach(prior) first")
        return prior

    def attach(self, prior: DiffusionPrior) -> Inverter:
        """Use ``prior`` from now on; its latents and conditioning must have the inverter's shapes.

        Weights are not compared; :func:`inverter.blackbox.load.load_inverter` refuses a prior that it was not trained
        with.
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

    def encode(self, features: Tensor, noise_level: Tensor | None = None, keep: Tensor | None = None) -> Encoding:
        """What features ``(B, *feature_shape)`` say: latents, control and trunk; see :class:`Conditioner`."""
        return self.conditioner(features, noise_level, keep)

    def align(self, features: Tensor) -> Tensor:
        """Latents ``(B, C, h, w)`` of features ``(B, *feature_shape)``."""
        return self.encode(features).latents.float()

    def decode(self, encoding: Encoding) -> tuple[Tensor, Tensor]:
        """Decoded image and image with the head's residual, both unclamped."""
        decoded = self.prior.decode(encoding.latents, clamp=False).float()
        lifted = decoded if self.head is None else decoded + self.head(encoding.trunk, decoded.detach()).float()
        return decoded, lifted

    @torch.no_grad()
    def mean(self, features: Tensor, head: bool = True) -> Tensor:
        """One pass: images ``(B, 3, S, S)`` in [0, 1], best in PSNR; ``head=False`` leaves the image head out.

        Raises:
            ValueError: Features of another shape, or that are no finite floating point.
        """
        check_features(features)
        decoded, lifted = self.decode(self.encode(features))
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
        guidance_interval: tuple[float, float] | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
    ) -> Tensor:
        """The prior draws what the features leave open: images ``(B, 3, S, S)`` in [0, 1], best in recognition.

        Args:
            features: ``(B, *feature_shape)``.
            prompt: Text beside the features, for all images or one each; None is none. Where the features stand in the
                text's place (``spec.conditioning`` is ``tokens``) a prompt replaces them.
            strength: 0 keeps the aligned latents, 1 starts from noise; None as published.
            num_inference_steps: Steps of the whole schedule; None as published.
            guidance_scale: None as published.
            guidance_interval: Shares of the noise schedule between which guidance acts; None as published.
            generator: CPU generator of the noise, or one an image.
        Raises:
            ValueError: As :meth:`mean`, or an argument that is not allowed.
        """
        check_features(features)
        encoding = self.encode(features)
        conditioning, control = self.under_prompt(prompt, encoding.control)
        drawn = self.draw(
            conditioning,
            encoding.latents.float(),
            control,
            strength=strength,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            guidance_interval=guidance_interval,
            generator=generator,
        )
        return self.prior.decode(drawn.to(next(self.prior.vae.parameters()).dtype)).float()

    def null_control(self, batch_size: int) -> Control | None:
        """Control that knows nothing of the features, for guidance; None where it is no control at all."""
        return self.conditioner.null_control(batch_size)

    def draw(
        self,
        conditioning: Conditioning | None,
        latents: Tensor,
        control: Control,
        *,
        strength: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
    ) -> Tensor:
        """Latents that the prior draws under control, beginning at ``latents``; None is as published."""
        spec = self.spec
        strength = spec.strength if strength is None else strength
        guidance_scale = spec.guidance_scale if guidance_scale is None else guidance_scale
        return self.prior.sample(
            conditioning,
            batch_size=len(latents),
            latents=None if strength == 1 else latents,
            control=control,
            null_control=self.null_control(len(latents)) if guidance_scale != 1 else None,
            strength=strength,
            num_inference_steps=spec.num_inference_steps if num_inference_steps is None else num_inference_steps,
            guidance_scale=guidance_scale,
            guidance_interval=spec.guidance_interval if guidance_interval is None else guidance_interval,
            generator=generator,
        )

    def denoiser_calls(self, *, strength: float | None = None, guidance_scale: float | None = None) -> int:
        """Calls of the denoiser that a drawn picture costs, two a step where guidance acts; None is as published."""
        spec = self.spec
        timesteps = self.prior.schedule(spec.num_inference_steps, spec.strength if strength is None else strength)[:-1]
        if (spec.guidance_scale if guidance_scale is None else guidance_scale) == 1:
            return len(timesteps)
        return sum(2 if self.prior.process.is_within(t, spec.guidance_interval) else 1 for t in timesteps)

    def under_prompt(
        self, prompt: str | Sequence[str | None] | None, control: Control
    ) -> tuple[Conditioning | None, Control]:
        """Conditioning by text, for all images or one each, and the control beside it; None is no text.

        Raises:
            ValueError: As many texts as images are needed.
        """
        if prompt is None:
            return None, control
        size = len(control.tokens)
        prompts = [prompt] * size if isinstance(prompt, str) else prompt
        if not isinstance(prompts, list | tuple) or not all(isinstance(each, str | None) for each in prompts):
            raise ValueError(f"prompt={prompt!r}; allowed: text, or a list of texts, one an image")
        if len(prompts) != size:
            raise ValueError(f"prompt has {len(prompts)} texts for {size} images; allowed: one, or one each")
        conditioning = self.prior.condition([each or "" for each in prompts])
        if control.in_place_of_text:
            chosen = conditioning.where([each is not None for each in prompts], Conditioning(control.tokens))
            control = replace(control, tokens=chosen.tokens)
        return conditioning, control

    def redraw(self, draw: DrawConfig) -> Inverter:
        """Let ``sample`` draw so from now on; None leaves what was trained or published."""
        changes: dict[str, Any] = {key: value for key, value in vars(draw).items() if value is not None}
        if "guidance_interval" in changes:
            changes["guidance_interval"] = tuple(map(float, changes["guidance_interval"]))
        self.spec = replace(self.spec, **changes)
        return self

    @classmethod
    def from_pretrained(
        cls, name: str | Path, target: TargetSpec | None = None, prior: DiffusionPrior | str | Path | None = None
    ) -> Inverter:
        """Load a published inverter and its prior by name, folder or hub id; ``target.spec`` is checked when given.

        See :func:`inverter.blackbox.load.load_inverter`.
        """
        from inverter.blackbox.load import load_inverter

        return load_inverter(name, prior, target)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Upload the published inverter that this was loaded from, with its card; returns the commit's URL.

        Args:
            repo_id: ``owner/name``.
            **options: ``prior``, ``private``, ``token``, ``revision`` and ``commit_message``; see
                :func:`inverter.blackbox.push.push_inverter`.
        Raises:
            ValueError: It was not loaded by name or folder, its weights have changed since, or the hub takes nothing.
        """
        from inverter.blackbox.load import check_unchanged
        from inverter.blackbox.push import push_inverter

        return push_inverter(check_unchanged(self), repo_id, **options)


def check_features(features: Any) -> None:
    """Raise ValueError unless features are a tensor of finite floating point, one image or more."""
    if not isinstance(features, Tensor):
        kind = type(features).__name__
        raise ValueError(f"features is a {kind}; allowed: a tensor, such as torch.from_numpy of a NumPy array")
    finite = features.is_meta or bool(features.isfinite().all())
    if not features.is_floating_point() or not features.numel() or not finite:
        what = f"features {features.dtype} of shape {tuple(features.shape)}"
        raise ValueError(f"{what}; allowed: finite floating point, of one image or more")


def build_conditioner(spec: InverterSpec, control_shape: ControlShape | None) -> Conditioner | TokenConditioner:
    """Fresh conditioner of a spec; control needs the shape that the denoiser takes."""
    common: dict[str, Any] = {
        "width": spec.width,
        "depth": spec.depth,
        "dropout": spec.dropout,
        "standardise": Standardise(spec.feature_shape, spec.feature_mean or None, spec.feature_std or None),
        "compact": spec.compact,
    }
    if spec.conditioning == "tokens":
        return TokenConditioner(
            spec.feature_shape, spec.latent_shape, spec.conditioning_shape, num_tokens=spec.num_tokens, **common
        )
    if control_shape is None:
        raise ValueError("an inverter with control needs its prior, or control_shape, before it can be built")
    return Conditioner(spec.feature_shape, spec.latent_shape, control_shape, coarse_width=spec.coarse_width, **common)
