"""What training the denoiser and distilling it share, and the attention that whatever differentiates it takes."""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torchmetrics import MeanMetric

from inverter.priors.sampling import Generators
from inverter.run.seeds import derive_seed


def unfuse_attention_on_cpu(denoiser: nn.Module) -> None:
    """Let a U-Net on the CPU take the attention without a fused kernel, whose backward pass is slow there."""
    if isinstance(denoiser, UNet2DConditionModel) and denoiser.device.type == "cpu":
        denoiser.set_attn_processor(AttnProcessor())


def validation_noise(keys: Sequence[str]) -> list[torch.Generator]:
    """A generator an image, by its key: the same noise each time and in any number of processes."""
    return [torch.Generator().manual_seed(derive_seed("validation", key)) for key in keys]


class LatentTraining(L.LightningModule):
    """One loss of batches of latents, in training and in validation."""

    monitor, mode = "val/loss", "min"

    def __init__(self) -> None:
        super().__init__()
        self.val_loss = MeanMetric()  # over images, whichever process has them

    def loss(self, batch: dict, generator: Generators) -> Tensor:
        """Mean over the batch; the noise comes from ``generator``, or from PyTorch's own."""
        raise NotImplementedError

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        loss = self.loss(batch, None)
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        self.val_loss(self.loss(batch, validation_noise(batch["key"])), len(batch["key"]))

    def on_validation_epoch_end(self) -> None:
        self.log("val/loss", self.val_loss.compute(), prog_bar=True)
        self.val_loss.reset()
