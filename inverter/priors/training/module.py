"""What training the denoiser and distilling it share, and the attention that whatever differentiates it takes."""

from __future__ import annotations

import lightning as L
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn


def unfuse_attention_on_cpu(denoiser: nn.Module) -> None:
    """Let a U-Net on the CPU take the attention without a fused kernel, whose backward pass is slow there."""
    if isinstance(denoiser, UNet2DConditionModel) and denoiser.device.type == "cpu":
        denoiser.set_attn_processor(AttnProcessor())


class LatentTraining(L.LightningModule):
    """One loss of batches of latents, in training and in validation."""

    monitor, mode = "val/loss", "min"

    def loss(self, batch: dict, generator: torch.Generator | None) -> Tensor:
        """Mean over the batch; the noise comes from ``generator``, or from PyTorch's own."""
        raise NotImplementedError

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        loss = self.loss(batch, None)
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        fixed = torch.Generator().manual_seed(batch_idx)  # the same noise each time, so that values compare
        loss = self.loss(batch, fixed)
        self.log("val/loss", loss, batch_size=len(next(iter(batch.values()))), prog_bar=True, sync_dist=True)
