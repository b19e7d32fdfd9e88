"""Training of the FIA-Flow baseline in the same harness: alignment first, then the flow."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverter.blackbox.fia_flow import SpaceAlignment
from inverter.blackbox.pair_module import PairModule
from inverter.config import OptimConfig
from inverter.losses.image import image_distance, multi_scale_distance
from inverter.priors.few_step import add_lora
from inverter.priors.prior import DiffusionPrior
from inverter.priors.training.module import unfuse_attention_on_cpu
from inverter.run.training import build_optimizer, training_progress

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
        seed: Of everything drawn.
    Source:
        FIA-Flow (CVPR 2026), rebuilt from its text, since no code is published: LoRA of rank 4, one Euler step.
        Differs: the embedded prior in the place of Stable Diffusion 2.1; a multi-scale absolute error in the place of
        LPIPS; the denoiser's timestep is the share of the way that is left.
    """

    kind, denoiser_calls = "fia_flow", 1

    def __init__(self, alignment: SpaceAlignment, prior: DiffusionPrior, optim: OptimConfig, seed: int = 0) -> None:
        super().__init__(optim, seed)
        self.alignment = alignment
        add_lora(prior.denoiser, RANK, max_megabytes=float("inf"))
        self.denoiser = prior.denoiser
        self._prior = (prior,)  # not a module of this one: its autoencoder is neither trained nor saved

    @property
    def prior(self) -> DiffusionPrior:
        return self._prior[0]

    def network(self) -> nn.Module:
        return self

    def compile_parts(self) -> None:
        self.alignment.compile()

    def on_fit_start(self) -> None:
        self.prior.to(self.device)
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
        place = share.view(-1, 1, 1, 1)
        velocity = self.velocity((1 - place) * aligned + place * truth, share)
        image = self.prior.decode(self.step(aligned), clamp=False)
        seen = image_distance(image, batch["image"], "l1") + multi_scale_distance(image, batch["image"])
        return (velocity - (truth - aligned)).square().mean() + seen.mean()

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
