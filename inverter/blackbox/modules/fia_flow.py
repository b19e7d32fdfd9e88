"""``fia_flow``: features aligned to latents, then one step of a tuned denoiser; a baseline."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Self

import torch
from diffusers.training_utils import cast_training_params
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.blackbox.config import TrainConfig
from inverter.blackbox.grid import ResidualBlock, Standardise, lay_out
from inverter.blackbox.pair_module import PairModule
from inverter.config import OptimConfig
from inverter.data.manifest import Manifest
from inverter.losses.image import image_distance, multi_scale_distance
from inverter.priors.few_step import add_lora
from inverter.priors.prior import DiffusionPrior
from inverter.priors.training.module import unfuse_attention_on_cpu
from inverter.run.optimizer import build_optimizer, training_progress
from inverter.targets.shape import FeatureShape


class SpaceAlignment(nn.Module):
    """LFSAM: features to latents by a U-shaped network whose levels are also fused by a second path.

    Features are folded or unfolded to the latents' grid, pass a U-shape of three levels with skip connections and
    self-attention at its bottom, and a projection of every level of its way down is added before the last layer.

    Args:
        feature_shape: ``(C, h, w)``, ``(N, D)`` or ``(D,)``; of joint layers one such shape each.
        latent_shape: ``(c, S, S)`` of the prior.
        width: Channels at the latents' side, a multiple of 8; twice as many below.
        standardise: By the statistics of the features; None leaves them as they are.
    """

    def __init__(
        self,
        feature_shape: FeatureShape,
        latent_shape: tuple[int, int, int],
        *,
        width: int = 96,
        standardise: Standardise | None = None,
    ) -> None:
        super().__init__()
        self.standardise = standardise or Standardise(feature_shape)
        self.grid = lay_out(feature_shape, latent_shape[1])
        widths = (width, 2 * width, 2 * width)
        self.stem = nn.Conv2d(self.grid.out_channels, width, 3, padding=1)
        self.down = nn.ModuleList(ResidualBlock(each) for each in widths)
        self.smaller = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(widths))
        self.norm = nn.GroupNorm(8, widths[-1])
        self.attention = nn.MultiheadAttention(widths[-1], 4, batch_first=True)
        self.up = nn.ModuleList(ResidualBlock(each) for each in widths)
        self.larger = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.levels = nn.ModuleList(nn.Conv2d(each, width, 1) for each in widths)
        self.fuse = nn.Conv2d(len(widths) * width, width, 1)
        self.to_latents = nn.Conv2d(width, latent_shape[0], 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Latents ``(B, c, S, S)`` of features ``(B, *feature_shape)``."""
        x = self.stem(self.grid(self.standardise(features).to(self.stem.weight.dtype)))
        levels = []
        for number, block in enumerate(self.down):
            x = block(x)
            levels.append(x)
            if number < len(self.smaller):
                x = self.smaller[number](x)
        flat = rearrange(self.norm(x), "b c h w -> b (h w) c")
        x = x + rearrange(self.attention(flat, flat, flat, need_weights=False)[0], "b (h w) c -> b c h w", h=x.shape[2])
        x = self.up[-1](x)
        for number in reversed(range(len(self.larger))):
            x = F.interpolate(self.larger[number](x), size=levels[number].shape[-2:], mode="nearest") + levels[number]
            x = self.up[number](x)
        size = x.shape[-2:]
        fused = [
            F.interpolate(level(each), size=size, mode="nearest")
            for level, each in zip(self.levels, levels, strict=True)
        ]
        return self.to_latents(x + self.fuse(torch.cat(fused, 1)))


RANK = 4


class FIAFlowModule(PairModule):
    """Train the alignment for the first half of the budget, then a LoRA of the denoiser with the alignment frozen.

    Alignment: squared error of the latents and absolute error of the decoded image. Flow: the denoiser gives the
    velocity from the aligned latents to the true ones at a point drawn evenly between them, and its whole step from the
    aligned latents is decoded and compared with the image. At use one step is taken.

    Args:
        alignment: Features to latents.
        prior: Its denoiser gets the LoRA; the empty prompt conditions it.
        optim: Of both halves.
    Source:
        FIA-Flow (CVPR 2026), rebuilt from its text, since no code is published: LoRA of rank 4, one Euler step.
        Differs: the embedded prior in the place of Stable Diffusion 2.1; a multi-scale absolute error in the place of
        LPIPS; the denoiser's timestep is the share of the way that is left.
    """

    kind, denoiser_calls = "fia_flow", 1

    def __init__(self, alignment: SpaceAlignment, prior: DiffusionPrior, optim: OptimConfig) -> None:
        super().__init__(optim)
        self.alignment = alignment
        add_lora(prior.denoiser, RANK, max_megabytes=float("inf"))
        cast_training_params(prior.denoiser)
        self.denoiser = prior.denoiser
        self._prior = (prior,)  # not a module of this one, since its autoencoder is neither trained nor saved

    @property
    def prior(self) -> DiffusionPrior:
        return self._prior[0]

    def network(self) -> nn.Module:
        return self

    def compile_parts(self) -> None:
        self.alignment.compile()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.prior._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def on_fit_start(self) -> None:
        unfuse_attention_on_cpu(self.denoiser)

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        aligning = training_progress(self, self.global_step, self.optim) < 0.5
        loss = self.alignment_loss(batch) if aligning else self.flow_loss(batch)
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def alignment_loss(self, batch: dict) -> Tensor:
        """Of latents and image, for the first half."""
        aligned = self.alignment(batch["features"]).float()
        error = (aligned - self._truth(batch)).square().mean()
        return error + image_distance(self.prior.decode(aligned, clamp=False), batch["image"], "l1").mean()

    def flow_loss(self, batch: dict) -> Tensor:
        """Of velocity and image, for the second half."""
        with torch.no_grad():
            aligned, truth = self.alignment(batch["features"]).float(), self._truth(batch)
        share = torch.rand(len(truth), device=truth.device)
        place = rearrange(share, "b -> b 1 1 1")
        velocity = self.velocity((1 - place) * aligned + place * truth, share)
        image = self.prior.decode(self.step(aligned), clamp=False)
        image_loss = image_distance(image, batch["image"], "l1") + multi_scale_distance(image, batch["image"])
        return (velocity - (truth - aligned)).square().mean() + image_loss.mean()

    def velocity(self, latents: Tensor, share: Tensor) -> Tensor:
        """From aligned to true latents, at shares ``(B,)`` of the way between them."""
        prior = self.prior
        with torch.no_grad():
            text = prior.condition([""]).expand(len(latents))
        return prior.run(latents, prior.process.timesteps_at((1 - share).clamp_max(0.999)), text).float()

    def step(self, aligned: Tensor) -> Tensor:
        """Latents one Euler step behind the aligned ones."""
        return aligned + self.velocity(aligned, torch.zeros(len(aligned), device=aligned.device))

    def reconstruct(self, features: Tensor) -> Tensor:
        return self.prior.decode(self.step(self.alignment(features).float()))

    def configure_optimizers(self) -> dict:
        return build_optimizer(self, [each for each in self.parameters() if each.requires_grad], self.optim)

    def _truth(self, batch: dict) -> Tensor:
        if "latents" in batch:
            return batch["latents"]
        with torch.no_grad():
            return self.prior.encode(batch["image"]).float()


def build(config: TrainConfig, manifests: Sequence[Manifest], prior: Callable[[], DiffusionPrior]) -> FIAFlowModule:
    """A fresh one for the pairs of the first manifest."""
    pairs, loaded = manifests[0], prior()
    alignment = SpaceAlignment(
        pairs.target.feature_shape,
        loaded.latent_shape,
        standardise=Standardise(pairs.target.feature_shape, pairs.feature_mean, pairs.feature_std),
    )
    return FIAFlowModule(alignment, loaded, config.optim)
