"""The prior's protocol: what methods, training and sampling see of a latent diffusion model, whatever its family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor, nn

from inverter.config.arguments import real_number, whole_number
from inverter.priors.conditioning import Conditioning, check_prompts
from inverter.priors.control import Control, ControlShape
from inverter.priors.control_pairs import ControlPairs
from inverter.priors.encoding import encode_images
from inverter.priors.memory import offload, own_precision, undo_offload
from inverter.priors.process import NoiseProcess
from inverter.priors.sampling import check_generator, run_steps
from inverter.priors.steps import check_interval, count_steps, least_strength
from inverter.targets.images import ImageCheck


class DiffusionPrior(nn.Module, ABC):
    """Autoencoder, denoiser, noise process and text encoders, frozen.

    Images are ``(B, 3, S, S)`` in [0, 1] with S = ``resolution``; latents ``(B, C, h, w)`` are in the prior's scaled
    units (scale and shift come from the autoencoder's config). Gradients flow through every method. ``few_step``: the
    denoiser is a consistency model, whose estimate is noised anew between steps. Parts in half precision compute in it,
    whatever autocast says; what comes in and goes out keeps its dtype.

    Args:
        vae: Autoencoder of diffusers'.
        denoiser: Of the family.
        process: How latents are noised, and what the denoiser's output means.
        control_shape: What control the denoiser takes.
        latent_shape: ``(C, h, w)``.
        conditioning_shape: ``(K, D)`` of the text's tokens.
        name: As it was loaded by.
        weights_sha256: Of everything.
        autoencoder_sha256: Of the autoencoder.
        control_pairs: What its denoiser learned from where it obeys features; None: not known.
        prompts: Captions that it draws well, from which samples are drawn.
        few_step: Whether it is the variant for few steps.
        offload: How weights wait in the CPU's memory once the prior is moved to a GPU: ``none``, ``model`` or
            ``sequential``, as diffusers' pipelines do it; without gradients.
    """

    def __init__(
        self,
        vae: nn.Module,
        denoiser: nn.Module,
        process: NoiseProcess,
        *,
        control_shape: ControlShape,
        latent_shape: tuple[int, int, int],
        conditioning_shape: tuple[int, int],
        name: str = "",
        weights_sha256: str = "",
        autoencoder_sha256: str = "",
        control_pairs: Sequence[ControlPairs] | None = (),
        prompts: Sequence[str] = (),
        few_step: bool = False,
        offload: str = "none",
    ) -> None:
        super().__init__()
        self.vae, self.denoiser, self.process = vae, denoiser, process
        self.control_shape, self.latent_shape, self.conditioning_shape = control_shape, latent_shape, conditioning_shape
        self.name, self.prompts, self.few_step, self.offload = name, tuple(prompts), few_step, offload
        self._check_images = ImageCheck(f"prior {name!r}")
        self.control_pairs = None if control_pairs is None else tuple(control_pairs)
        self._computes_on: torch.device | None = None  # where offloaded weights go to compute
        self.weights_sha256, self.autoencoder_sha256 = weights_sha256, autoencoder_sha256
        widths = vae.config.get("block_out_channels") or vae.config.get("encoder_block_out_channels")
        if not widths:
            raise ValueError(f"autoencoder {type(vae).__name__} has no block_out_channels; allowed: AutoencoderKL")
        self.downsampling = 2 ** (len(widths) - 1)
        self.resolution: int = latent_shape[-1] * self.downsampling
        self.eval().requires_grad_(False)

    @abstractmethod
    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        """What the text encoders say of B prompts."""

    @abstractmethod
    def run_denoiser(
        self, noisy: Tensor, t: Tensor, conditioning: Conditioning, control: Control | None = None
    ) -> Tensor:
        """See :meth:`run`; all inputs have the dtype of the weights, or autocast takes care of it."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the folder that ``load_prior`` and diffusers' pipeline read."""

    @property
    def device(self) -> torch.device:
        """Where inputs are taken."""
        return self._computes_on or next(self.denoiser.parameters()).device

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """With ``offload``, moving to a GPU says where to compute, and the weights stay."""
        if self.offload == "none":
            return super()._apply(fn, recurse)
        device = fn(torch.empty(0, device=self.device)).device
        if device == self.device:
            return self if self._computes_on else super()._apply(fn, recurse)
        self.compute_on(None if device.type == "cpu" else device)
        return self

    def compute_on(self, device: torch.device | None) -> None:
        """Offload all weights, which come to ``device`` to compute; None brings them back to the CPU."""
        parts = [module for module in self.children() if not isinstance(module, nn.ModuleList)]
        parts += [module for group in self.children() if isinstance(group, nn.ModuleList) for module in group]
        if self._computes_on is not None:
            undo_offload(parts)
        self._computes_on = device
        if device is not None:
            offload(parts, self.offload, device)

    def condition(self, prompts: Sequence[str]) -> Conditioning:
        """Conditioning of B prompts; what is longer than the text encoders take is cut.

        Raises:
            ValueError: No list of texts, or an empty one.
        """
        check_prompts(prompts)
        like = torch.empty(0, device=self.device)
        with own_precision(self.denoiser, like) as dtype:
            conditioning = self.encode_prompts(prompts)
        return conditioning if dtype == like.dtype else conditioning.float()

    def run(self, noisy: Tensor, t: Tensor, conditioning: Conditioning, control: Control | None = None) -> Tensor:
        """The denoiser's own output ``(B, C, h, w)`` for noisy latents at timesteps ``t``, scalar or ``(B,)``."""
        with own_precision(self.denoiser, noisy) as dtype:
            if dtype == noisy.dtype:
                return self.run_denoiser(noisy, t, conditioning, control)
            inputs = conditioning.to(dtype), None if control is None else control.to(dtype)
            return self.run_denoiser(noisy.to(dtype), t, *inputs).to(noisy.dtype)

    def encode(self, images: Tensor) -> Tensor:
        """Latents ``(B, C, h, w)`` of images ``(B, 3, S, S)`` in [0, 1]; the mean where a distribution is encoded.

        Raises:
            ValueError: Images of another shape, or no tensor of floating point.
        """
        self._check_images(images)
        expected = (3, self.resolution, self.resolution)
        if tuple(images.shape[1:]) != expected:
            raise ValueError(f"images has shape {tuple(images.shape)}; prior {self.name!r} encodes (B, {expected})")
        with own_precision(self.vae, images) as dtype:
            latents = encode_images(self.vae, images.to(dtype))
        latents = latents if dtype == images.dtype else latents.to(images.dtype)
        return (latents - self._shift) * self.vae.config.scaling_factor

    def decode(self, latents: Tensor, clamp: bool = True) -> Tensor:
        """Images ``(B, 3, S, S)`` of latents ``(B, C, h, w)``; in [0, 1] when ``clamp``, else as decoded."""
        self._check_latents(latents)
        scaled = latents / self.vae.config.scaling_factor + self._shift
        with own_precision(self.vae, scaled) as dtype:
            images = self.vae.decode(scaled.to(dtype), return_dict=False)[0]
        images = (images if dtype == scaled.dtype else images.to(scaled.dtype)) / 2 + 0.5
        return images.clamp(0, 1) if clamp else images

    def schedule(self, num_inference_steps: int, strength: float = 1.0) -> Tensor:
        """Timesteps of the last ``strength`` of a sampler's steps, noisiest first, and the clean latents' behind them.

        Raises:
            ValueError: More steps than the schedule has, a strength outside [0, 1], or one that leaves no step.
        """
        num_inference_steps = whole_number("num_inference_steps", num_inference_steps)
        longest = self.process.num_train_timesteps
        if not 1 <= num_inference_steps <= longest:
            raise ValueError(f"num_inference_steps is {num_inference_steps}; allowed: 1 to {longest}")
        if not 0 <= real_number("strength", strength) <= 1:
            raise ValueError(f"strength is {strength}; allowed: 0 to 1")
        if strength and not count_steps(num_inference_steps, strength):
            raise ValueError(
                f"strength is {strength}, which leaves none of num_inference_steps={num_inference_steps} to run; "
                f"allowed: 0, which keeps the latents, or {least_strength(num_inference_steps)} to 1"
            )
        return self.process.schedule(num_inference_steps, strength).to(self.device)

    def add_noise(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """Latents x0 ``(B, C, h, w)`` noised by eps to timesteps ``t``, scalar or ``(B,)``."""
        return self.process.add_noise(x0, eps, t)

    def predict(
        self, noisy: Tensor, t: Tensor, conditioning: Conditioning, control: Control | None = None
    ) -> tuple[Tensor, Tensor]:
        """Denoised estimate x0 and noise eps, both ``(B, C, h, w)``, of noisy latents at timesteps ``t``."""
        output = self.run(noisy, t, conditioning, control)
        return self.process.read(output.to(noisy.dtype), noisy, t)

    def guide(
        self,
        noisy: Tensor,
        t: Tensor,
        conditioning: Conditioning,
        *,
        control: Control | None = None,
        unconditional: Conditioning | None = None,
        null_control: Control | None = None,
        guidance_scale: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`predict`, led away from ``unconditional`` under ``null_control``, where there is one.

        ``guidance_scale`` is one for all, or ``(B, 1, 1, 1)``.
        """
        x0, eps = self.predict(noisy, t, conditioning, control)
        if unconditional is None or (isinstance(guidance_scale, int | float) and guidance_scale == 1):
            return x0, eps
        free_x0, free_eps = self.predict(noisy, t, unconditional, null_control)
        return free_x0 + guidance_scale * (x0 - free_x0), free_eps + guidance_scale * (eps - free_eps)

    def sample(
        self,
        conditioning: Conditioning | None = None,
        *,
        batch_size: int | None = None,
        latents: Tensor | None = None,
        strength: float = 1.0,
        num_inference_steps: int = 8,
        guidance_scale: float = 1.0,
        guidance_interval: tuple[float, float] = (0.0, 1.0),
        control: Control | None = None,
        null_control: Control | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
    ) -> Tensor:
        """Draw latents from noise or from noised latents: deterministic, or as a few-step variant does.

        Args:
            conditioning: None is the empty prompt.
            batch_size: Number of samples when neither conditioning nor latents say it.
            latents: Clean latents ``(B, C, h, w)`` to start from; None starts from noise.
            strength: Share in (0, 1] of the schedule that ``latents`` are noised to; 0 returns them.
            num_inference_steps: Denoising steps of the whole schedule; ``strength`` of them are run.
            guidance_scale: Classifier-free guidance, away from the empty prompt under ``null_control``; 1 is none.
            guidance_interval: Shares of the noise schedule, 0 is the image, between which guidance acts.
            control: How features reach the denoiser.
            null_control: Control that knows nothing of them.
            generator: Source of the noise, or one an image, on the CPU, so that every device draws the same.
        Returns:
            Latents ``(B, C, h, w)``, differentiable in conditioning, control and latents; memory for the backward pass
            grows only by one latent a step.
        Raises:
            ValueError: Shapes that disagree, a strength or an interval outside [0, 1], no step at all, or arguments of
                other kinds.
        """
        check_interval(guidance_interval)
        check_generator(generator)
        guidance_scale = real_number("guidance_scale", guidance_scale)
        timesteps = self.schedule(num_inference_steps, 1.0 if latents is None else strength)
        if latents is not None:
            self._check_latents(latents)
        sizes = {len(x) for x in (conditioning, latents) if x is not None} | ({batch_size} if batch_size else set())
        if len(sizes) != 1:
            raise ValueError(f"batch sizes of conditioning, latents and batch_size are {sorted(sizes)}; give one size")
        size = sizes.pop()
        if latents is not None and not strength:
            return latents
        if conditioning is None:
            conditioning = self.condition([""]).expand(size)
        unconditional = self.condition([""]).expand(size) if guidance_scale != 1 else None
        count = num_inference_steps if self.few_step else 1
        noise, *fresh = (
            randn_tensor((size, *self.latent_shape), generator=generator).to(self.device, conditioning.tokens.dtype)
            for _ in range(count)
        )
        return run_steps(
            self,
            noise if latents is None else self.add_noise(latents, noise, timesteps[0]).to(noise.dtype),
            timesteps,
            conditioning,
            unconditional=unconditional,
            guidance_scale=guidance_scale,
            guidance_interval=guidance_interval,
            control=control,
            null_control=null_control,
            fresh=fresh,
        )

    @property
    def _shift(self) -> float:
        return getattr(self.vae.config, "shift_factor", None) or 0.0

    def _check_latents(self, latents: Tensor) -> None:
        if latents.ndim != 4 or tuple(latents.shape[1:]) != self.latent_shape:
            raise ValueError(
                f"latents has shape {tuple(latents.shape)}; prior {self.name!r} uses (B, {self.latent_shape})"
            )
