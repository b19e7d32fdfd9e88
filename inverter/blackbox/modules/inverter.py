"""``inverter``: an inverter trained from pairs, or several that share a denoiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from diffusers.training_utils import cast_training_params
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from inverter.blackbox.config import TrainConfig
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.models.inverter import InverterConfig
from inverter.blackbox.pair_module import PairModule
from inverter.blackbox.spec import InverterSpec
from inverter.blackbox.token_conditioner import TokenConditioner
from inverter.config import OptimConfig
from inverter.data.manifest import Manifest
from inverter.losses.image import image_distance
from inverter.losses.quality import psnr
from inverter.priors.conditioning import Conditioning
from inverter.priors.control import Control
from inverter.priors.few_step import add_lora
from inverter.priors.prior import DiffusionPrior
from inverter.priors.sampling import Generators, denoising_loss
from inverter.priors.training.module import unfuse_attention_on_cpu, validation_noise
from inverter.run.optimizer import build_optimizer


class InverterModule(PairModule):
    """Train inverters from stored features to the prior's latents and to control for its denoiser (no target in sight).

    Loss: latents (squared error) and, every few steps, decoded image and image with the head's residual (squared plus
    absolute error, through the frozen decoder), and the denoising loss on the true latents under the features' control,
    which teaches conditioner and, as far as it is tuned, denoiser. Features get noise of a drawn level that the
    conditioner is told, and are replaced by a learned null now and then, for guidance. Where the attacker's pictures
    come with texts, some steps show the text beside the features, so that a prompt still steers, and a tuned denoiser
    trains some steps on texts alone, so that it does not forget to draw without features.

    Args:
        specs: Of each inverter; those after the first are of other layers or networks, and share the denoiser.
        model: Weights and shares of the losses.
        optim: Of conditioner, head and denoiser.
        prior: Its denoiser is tuned in place as ``model.tune`` says.
    """

    monitor, mode = "dev/denoising", "min"

    def __init__(
        self,
        specs: Sequence[InverterSpec],
        model: InverterConfig,
        optim: OptimConfig,
        prior: DiffusionPrior,
    ) -> None:
        super().__init__(optim)
        self.model = model
        if not model.denoising_weight:  # nothing trains the control, and the denoising loss stays as it is
            self.monitor, self.mode = PairModule.monitor, PairModule.mode
        self.inverters = nn.ModuleList(Inverter(spec, prior) for spec in specs)
        for inverter in self.inverters:
            if isinstance(inverter.conditioner, TokenConditioner):
                inverter.conditioner.base.data.copy_(prior.condition([""]).tokens[0])
        self.denoiser = tune(prior, model.tune, model.rank)
        self.dev_denoising = MeanMetric()
        self.number = 0

    @property
    def inverter(self) -> Inverter:
        """The one of ``number``."""
        return cast(Inverter, self.inverters[self.number])

    def network(self) -> nn.Module:
        return self.inverters

    def compile_parts(self) -> None:
        for inverter in self.inverters:
            for part in inverter.children():
                part.compile()

    def on_fit_start(self) -> None:
        unfuse_attention_on_cpu(self.inverter.prior.denoiser)

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        model, step = self.model, self.global_step
        losses = self.losses(
            batch,
            decode=step % model.image_every_n_steps == 0,
            denoise=step % model.denoising_every_n_steps == 0,
        )
        loss = torch.stack(list(losses.values())).sum()
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def losses(self, batch: dict, *, decode: bool, denoise: bool) -> dict[str, Tensor]:
        """Weighted losses by name, as far as they have a weight; with ``decode`` those of image and head too, with
        ``denoise`` that of the denoiser."""
        model, image, features = self.model, batch["image"], batch["features"]
        inverter = cast(Inverter, self.inverters[batch.get("inverter", 0)])
        truth = batch["latents"] if "latents" in batch else self._encode(image)
        size, device = len(image), image.device
        nulls = model.null_share if model.conditioning == "control" else 0.0  # tokens know no null
        keep = torch.rand(size, device=device) >= nulls
        level = model.noise_level * torch.rand(size, device=device) * (torch.rand(size, device=device) < 0.5)
        encoding = inverter.encode(features, level if model.noise_level else None, keep)
        latents = encoding.latents.float()
        if truth.shape != latents.shape:
            raise ValueError(f"latents of the pairs are {tuple(truth.shape)}; the prior's are {tuple(latents.shape)}")
        losses = {"latents": model.latent_weight * mean_of(squared(latents, truth), keep)}
        if decode and (model.image_weight or inverter.head is not None):
            decoded, lifted = inverter.decode(encoding)
            losses["image"] = model.image_weight * mean_of(image_loss(decoded, image), keep)
            if inverter.head is not None:
                losses["head"] = model.head_weight * mean_of(image_loss(lifted, image), keep)
        texts = batch.get("text") or [""] * size
        tokens = encoding.control.tokens
        if model.text_weight and encoding.control.in_place_of_text and any(texts):
            losses["text"] = model.text_weight * self._text_distance(tokens, texts)
        if denoise and model.denoising_weight:
            alone = self.denoiser is not None and float(torch.rand(())) < model.alone_share
            beside = any(texts) and float(torch.rand(())) < model.text_share
            shown = self._condition(texts if alone or beside else [""] * size)
            losses["denoising"] = model.denoising_weight * self._denoising_loss(
                truth, shown, None if alone else encoding.control
            )
        return losses

    def validation_step(self, batch: dict, batch_idx: int, dataloader_idx: int = 0) -> None:
        inverter, image = cast(Inverter, self.inverters[dataloader_idx]), batch["image"]
        encoding = inverter.encode(batch["features"])
        self.dev_psnr(psnr(inverter.decode(encoding)[1].clamp(0, 1), image))
        truth = batch["latents"] if "latents" in batch else self._encode(image)
        loss = self._denoising_loss(
            truth, self._condition([""] * len(image)), encoding.control, validation_noise(batch["key"])
        )
        self.dev_denoising(loss, len(image))

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        self.log("dev/denoising", self.dev_denoising.compute(), prog_bar=True)
        self.dev_denoising.reset()

    def reconstruct(self, features: Tensor) -> Tensor:
        return self.inverter.mean(features)

    def configure_optimizers(self) -> dict:
        groups: list[dict[str, Any]] = [{"params": list(self.inverters.parameters())}]
        if self.denoiser is not None:
            tuned = [parameter for parameter in self.denoiser.parameters() if parameter.requires_grad]
            groups.append({"params": tuned, "lr": self.optim.lr * self.model.tune_lr})
        return build_optimizer(self, groups, self.optim)

    def _denoising_loss(
        self,
        truth: Tensor,
        conditioning: Conditioning,
        control: Control | None,
        generator: Generators = None,
    ) -> Tensor:
        prior = self.inverter.prior
        return denoising_loss(
            prior.process,
            lambda noisy, t: prior.run(noisy, t, conditioning, control),
            truth,
            generator=generator,
            snr_gamma=self.model.snr_gamma,
            towards_noise=True,
        )

    def _text_distance(self, tokens: Tensor, texts: list[str]) -> Tensor:
        """Squared error of tokens ``(B, K, D)`` from those of the pictures' texts, where they have one."""
        with_text = [number for number, text in enumerate(texts) if text]
        return F.mse_loss(tokens[with_text], self._condition([texts[number] for number in with_text]).tokens)

    @torch.no_grad()
    def _condition(self, texts: list[str]) -> Conditioning:
        prior = self.inverter.prior
        return prior.condition(texts) if any(texts) else prior.condition([""]).expand(len(texts))

    @torch.no_grad()
    def _encode(self, image: Tensor) -> Tensor:
        return self.inverter.prior.encode(image).float()


def tune(prior: DiffusionPrior, how: str, rank: int) -> nn.Module | None:
    """The prior's denoiser with what of it is to be trained made trainable; None where that is nothing.

    Raises:
        ValueError: ``how`` is unknown.
    """
    if how == "none":
        return None
    if how == "full":
        if (dtype := next(prior.denoiser.parameters()).dtype) != torch.float32:
            raise ValueError(f"model.tune is 'full', but the denoiser's weights are {dtype}; allowed: none, lora")
        return prior.denoiser.requires_grad_(True)
    if how == "lora":
        add_lora(prior.denoiser, rank, max_megabytes=float("inf"))
        cast_training_params(prior.denoiser)
        return prior.denoiser
    raise ValueError(f"model.tune is {how!r}; allowed: none, lora, full")


def squared(latents: Tensor, truth: Tensor) -> Tensor:
    """Squared error ``(B,)`` of latents ``(B, C, h, w)``."""
    return (latents - truth).square().flatten(1).mean(1)


def mean_of(values: Tensor, keep: Tensor) -> Tensor:
    """Mean of values ``(B,)`` over the images that ``keep`` names; 0 where it names none."""
    return (values * keep).sum() / keep.sum().clamp_min(1)


def image_loss(recon: Tensor, image: Tensor) -> Tensor:
    """Squared plus a little absolute error ``(B,)`` of images in [0, 1], of the size of a unit-variance latent loss."""
    return 10 * image_distance(recon, image, "mse") + 0.5 * image_distance(recon, image, "l1")


def build_spec(config: TrainConfig, manifest: Manifest, prior: DiffusionPrior) -> InverterSpec:
    """Spec of a fresh inverter for the manifest's features and a prior."""
    model = config.model
    return InverterSpec(
        feature_shape=manifest.target.feature_shape,
        latent_shape=prior.latent_shape,
        conditioning_shape=prior.conditioning_shape,
        resolution=prior.resolution,
        width=model.width,
        depth=model.depth,
        dropout=model.dropout,
        head_width=model.head_width if model.head else None,
        strength=model.strength,
        num_inference_steps=model.num_inference_steps,
        guidance_scale=model.guidance_scale,
        conditioning=model.conditioning,
        coarse_width=model.coarse_width,
        num_tokens=min(model.num_tokens, prior.conditioning_shape[0]),
        guidance_interval=(model.guidance_interval[0], model.guidance_interval[-1]),
        tune=model.tune,
        rank=model.rank,
        feature_mean=list(manifest.feature_mean),
        feature_std=list(manifest.feature_std),
    )


def build(config: TrainConfig, manifests: Sequence[Manifest], prior: Callable[[], DiffusionPrior]) -> InverterModule:
    """Fresh inverters, one a manifest, which share the denoiser.

    Raises:
        ValueError: A value that is not allowed, or a prior that is not the one whose latents the pairs hold.
    """
    for key in ("image_every_n_steps", "denoising_every_n_steps"):
        if (every := getattr(config.model, key)) < 1:
            raise ValueError(f"model.{key} is {every}; allowed: 1 or more")
    loaded = prior()
    if loaded.few_step and config.model.denoising_weight:
        raise ValueError(
            f"prior {config.prior!r} draws in few steps, and has no denoising loss; allowed: the base, or "
            "model.denoising_weight=0"
        )
    specs = [build_spec(config, manifest, loaded) for manifest in manifests]
    return InverterModule(specs, cast(InverterConfig, config.model), config.optim, loaded)
