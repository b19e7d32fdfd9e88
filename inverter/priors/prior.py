"""A latent diffusion model as prior: a diffusers Stable-Diffusion-format folder behind one differentiable interface."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor, nn

from inverter.parse import parse_json
from inverter.priors.control import Control, unet_control_shape
from inverter.priors.encoding import encode_images
from inverter.priors.few_step import fuse_lora
from inverter.priors.index import autoencoder_name, read_index, read_object, reading
from inverter.priors.interval import check_interval
from inverter.priors.location import find_prior
from inverter.priors.quiet import quiet
from inverter.priors.sampling import count_steps, denoise, least_strength, sample
from inverter.priors.text import tokenize
from inverter.priors.variant import FOLDER, split_name

DENOISER = ("text_encoder", "unet")
WEIGHTS = (*DENOISER, "vae")
PARTS = ("vae", "unet", "scheduler", "text_encoder", "tokenizer")


class DiffusionPrior(nn.Module):
    """Autoencoder, denoiser, scheduler and text encoder of a Stable-Diffusion-format folder, frozen.

    Images are ``(B, 3, S, S)`` in [0, 1] with S = ``resolution``; latents ``(B, C, h, w)`` are in the prior's scaled
    units (scale and shift come from the autoencoder's config); conditioning is ``(B, K, D)``. Gradients flow through
    every method. ``few_step``: the denoiser is a consistency model, whose estimate is noised anew between steps.
    """

    def __init__(
        self,
        vae: nn.Module,
        unet: nn.Module,
        scheduler: diffusers.DDIMScheduler,
        text_encoder: nn.Module,
        tokenizer: transformers.CLIPTokenizer,
        *,
        name: str = "",
        weights_sha256: str = "",
        autoencoder_sha256: str = "",
        prompts: Sequence[str] = (),
        few_step: bool = False,
    ) -> None:
        super().__init__()
        self.vae, self.unet, self.text_encoder = vae, unet, text_encoder
        self.scheduler, self.tokenizer = scheduler, tokenizer
        self.name, self.prompts, self.few_step = name, tuple(prompts), few_step
        self.weights_sha256, self.autoencoder_sha256 = weights_sha256, autoencoder_sha256
        channels, side = unet.config.in_channels, unet.config.sample_size
        self.downsampling = 2 ** (len(vae.config.block_out_channels) - 1)
        self.latent_shape: tuple[int, int, int] = (channels, side, side)
        self.resolution: int = side * self.downsampling
        self.conditioning_shape: tuple[int, int] = (tokenizer.model_max_length, unet.config.cross_attention_dim)
        self.control_shape = unet_control_shape(unet, self.conditioning_shape[0])
        self.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device

    def encode(self, images: Tensor) -> Tensor:
        """Latents ``(B, C, h, w)`` of images ``(B, 3, S, S)`` in [0, 1]; the mean where a distribution is encoded."""
        expected = (3, self.resolution, self.resolution)
        if images.ndim != 4 or tuple(images.shape[1:]) != expected:
            raise ValueError(f"images has shape {tuple(images.shape)}; prior {self.name!r} encodes (B, {expected})")
        return (encode_images(self.vae, images) - self._shift) * self.vae.config.scaling_factor

    def decode(self, latents: Tensor, clamp: bool = True) -> Tensor:
        """Images ``(B, 3, S, S)`` of latents ``(B, C, h, w)``; in [0, 1] when ``clamp``, else as decoded."""
        self._check_latents(latents)
        images = self.vae.decode(latents / self.vae.config.scaling_factor + self._shift, return_dict=False)[0] / 2 + 0.5
        return images.clamp(0, 1) if clamp else images

    def embed(self, prompts: Sequence[str]) -> Tensor:
        """Conditioning ``(B, K, D)`` of B prompts; longer ones are cut at K tokens."""
        return self.text_encoder(tokenize(self.tokenizer, prompts).to(self.device))[0]

    def denoise(self, latents: Tensor, t: Tensor, conditioning: Tensor, control: Control | None = None) -> Tensor:
        """Denoised estimate x0 of noisy latents ``(B, C, h, w)`` at integer timesteps ``t`` ``(B,)``."""
        return denoise(self.unet, self.scheduler, latents, t, conditioning, control)

    def sample(
        self,
        conditioning: Tensor | None = None,
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
        """Draw latents from noise or from noised latents: by DDIM, deterministic, or as a few-step variant does.

        Args:
            conditioning: ``(B, K, D)``; None is the empty prompt.
            batch_size: Number of samples when neither conditioning nor latents say it.
            latents: Clean latents ``(B, C, h, w)`` to start from; None starts from noise.
            strength: Share in (0, 1] of the schedule that ``latents`` are noised to; 1 forgets them, 0 returns them.
            num_inference_steps: Denoising steps of the whole schedule; ``strength`` of them are run.
            guidance_scale: Classifier-free guidance, away from the empty prompt under ``null_control``; 1 is none.
            guidance_interval: Shares of the noise schedule, 0 is the image, between which guidance acts.
            control: How features reach the denoiser.
            null_control: Control that knows nothing of them.
            generator: Source of the noise, or one an image, on the CPU, so that every device draws the same.
        Returns:
            Latents ``(B, C, h, w)``, differentiable in conditioning and latents; memory for the backward pass grows
            only by one latent a step.
        Raises:
            ValueError: Shapes that disagree, a strength outside [0, 1], or no step at all.
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength is {strength}; allowed: 0 to 1")
        longest = self.scheduler.config.num_train_timesteps
        if not 1 <= num_inference_steps <= longest:
            raise ValueError(f"num_inference_steps is {num_inference_steps}; allowed: 1 to {longest}")
        if latents is not None and strength and not count_steps(num_inference_steps, strength):
            raise ValueError(
                f"strength is {strength}, which leaves none of num_inference_steps={num_inference_steps} to run; "
                f"allowed: 0, which keeps the latents, or {least_strength(num_inference_steps)} to 1"
            )
        if latents is not None:
            self._check_latents(latents)
        check_interval(guidance_interval)
        sizes = {len(x) for x in (conditioning, latents) if x is not None} | ({batch_size} if batch_size else set())
        if len(sizes) != 1:
            raise ValueError(f"batch sizes of conditioning, latents and batch_size are {sorted(sizes)}; give one size")
        size = sizes.pop()
        if conditioning is None:
            conditioning = self.embed([""]).expand(size, -1, -1)
        unconditional = self.embed([""]).expand(size, -1, -1) if guidance_scale != 1 else None
        count = num_inference_steps if self.few_step else 1
        noise, *fresh = (
            randn_tensor((size, *self.latent_shape), generator=generator).to(self.device, conditioning.dtype)
            for _ in range(count)
        )
        return sample(
            self.unet,
            self.scheduler,
            noise,
            conditioning,
            unconditional=unconditional,
            latents=latents,
            strength=strength,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            fresh=fresh,
            control=control,
            null_control=null_control,
            guidance_interval=guidance_interval,
        )

    def save(self, folder: Path) -> None:
        """Write the folder that ``load_prior`` and diffusers' ``StableDiffusionPipeline.from_pretrained`` read."""
        pipeline = diffusers.StableDiffusionPipeline(
            vae=self.vae,
            unet=self.unet,
            scheduler=self.scheduler,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder, safe_serialization=True)
        for file in folder.glob("*/config.json"):  # where a part was loaded from is nobody's business
            values = json.loads(file.read_text())
            values.pop("_name_or_path", None)
            if "dtype" in values:  # by which transformers loads the text encoder, diffusers no part
                values["dtype"] = "float32"
            file.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
        if self.prompts:
            (folder / "prompts.json").write_text(json.dumps(self.prompts, indent=0))

    @property
    def _shift(self) -> float:
        return getattr(self.vae.config, "shift_factor", None) or 0.0

    def _check_latents(self, latents: Tensor) -> None:
        if latents.ndim != 4 or tuple(latents.shape[1:]) != self.latent_shape:
            raise ValueError(
                f"latents has shape {tuple(latents.shape)}; prior {self.name!r} uses (B, {self.latent_shape})"
            )


@quiet()
def load_prior(name: str | Path) -> DiffusionPrior:
    """Load a prior by its published name, from a folder, or from the Hugging Face hub.

    Args:
        name: ``embedded`` (a folder under ``checkpoints/``), a path, or a hub id such as
            ``stable-diffusion-v1-5/stable-diffusion-v1-5``. With ``+few-step`` behind it, the variant for one to four
            steps without guidance, where the prior has one.
    Returns:
        The frozen prior, on the CPU, float32.
    Raises:
        ValueError: No such prior, a part is missing or damaged, a part has pickled weights only, or it has no few-step
            variant.
    """
    base, few_step = split_name(str(name))
    folder = find_prior(base)
    index = read_index(folder)
    absent = [part for part in PARTS if part not in index or not (folder / part).is_dir()]
    if absent:
        raise ValueError(f"prior {folder}: part(s) {', '.join(absent)} missing; needed: {', '.join(PARTS)}")
    if "text_encoder_2" in index:
        raise ValueError(
            f"prior {folder}: {index.get('_class_name')} has two text encoders; allowed: one, as in Stable Diffusion "
            "1.x, 2.x and Turbo"
        )
    for part in ("vae", "unet", "text_encoder"):
        if not any((folder / part).glob("*.safetensors")):
            raise ValueError(f"prior {folder}: {part} has no .safetensors weights; pickled weights are never read")
    vae_name = autoencoder_name(folder, index)
    with reading(folder / "vae"):
        vae = _load(getattr(diffusers, vae_name), folder / "vae", torch_dtype=torch.float32, low_cpu_mem_usage=False)
    with reading(folder / "unet"):
        unet = _load(
            diffusers.UNet2DConditionModel, folder / "unet", torch_dtype=torch.float32, low_cpu_mem_usage=False
        )
    weights = folder_sha256(folder, WEIGHTS)
    if few_step:
        with reading(folder / FOLDER):
            fuse_lora(unet, folder, folder_sha256(folder, DENOISER))
        weights = folder_sha256(folder, (*WEIGHTS, FOLDER))
    with reading(folder / "scheduler"):
        scheduler = _load_scheduler(folder / "scheduler")
    with reading(folder / "text_encoder"):
        text_encoder = _load(transformers.CLIPTextModel, folder / "text_encoder", dtype=torch.float32)
    with reading(folder / "tokenizer"):
        tokenizer = transformers.CLIPTokenizer.from_pretrained(folder / "tokenizer")
    return DiffusionPrior(
        vae=vae,
        unet=unet,
        scheduler=scheduler,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        name=str(name),
        weights_sha256=weights,
        autoencoder_sha256=folder_sha256(folder, ("vae",)),
        prompts=_read_prompts(folder / "prompts.json"),
        few_step=few_step,
    )


def load_autoencoder(folder: Path) -> diffusers.AutoencoderDC:
    """The autoencoder in ``OUTPUT/vae`` of its training, on the CPU, float32.

    Raises:
        ValueError: No such folder here, another class of autoencoder, or weights that are missing or damaged.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(f"autoencoder {folder} has no config.json; allowed: OUTPUT/vae of train_prior autoencoder")
    kind = read_object(folder / "config.json").get("_class_name")
    with reading(folder):
        if kind != "AutoencoderDC":
            raise ValueError(f"its class is {kind}; allowed: AutoencoderDC")
        with quiet():  # about an entry that is there for diffusers' pipelines
            return _load(diffusers.AutoencoderDC, folder, torch_dtype=torch.float32, low_cpu_mem_usage=False)


def folder_sha256(folder: Path, parts: Sequence[str]) -> str:
    """SHA-256 over the weight files of some parts of a prior, in the order of their names; hidden ones are partial."""
    digest = hashlib.sha256()
    for part in parts:
        for file in sorted((folder / part).glob("[!.]*.safetensors")):
            digest.update(f"{part}/{file.name}".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


def _read_prompts(path: Path) -> Sequence[str]:
    if not path.is_file():
        return ()
    with reading(path):
        prompts = parse_json(path.read_bytes())
        if not isinstance(prompts, list) or not all(isinstance(prompt, str) for prompt in prompts):
            raise ValueError("it holds something else than a list of texts")
        return prompts


def _load_scheduler(folder: Path) -> diffusers.DDIMScheduler:
    """DDIM with the saved noise schedule; other schedulers' configs lack ``clip_sample``, which DDIM would turn on."""
    return diffusers.DDIMScheduler.from_config({"clip_sample": False, **diffusers.DDIMScheduler.load_config(folder)})


def _load(part: Any, folder: Path, **options: Any) -> nn.Module:
    """A part with all of its weights; the libraries would fill missing ones with random numbers."""
    options |= {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
    module, report = part.from_pretrained(folder, **options)
    for problem in ("missing", "mismatched"):
        if keys := sorted(map(str, report[f"{problem}_keys"])):
            raise ValueError(f"{len(keys)} {problem} weights, such as {keys[0]}")
    return module
