"""Training of the prior's autoencoder: images to latents of unit variance and back."""

from __future__ import annotations

import lightning as L
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.config import AutoencoderConfig
from inverter.evaluation.metrics import psnr
from inverter.training import build_optimizer


def build_autoencoder(config: AutoencoderConfig) -> AutoencoderTiny:
    """diffusers' ``AutoencoderTiny`` with residual branches that start at zero, so that it trains fast.

    The decoder bounds latents by 3 tanh(x / 3); a ``latent_std`` well below 1 keeps that nearly linear. The scaling
    factor undoes it: latents in the prior's units have unit variance.
    """
    stages = len(config.encoder_blocks)
    vae = AutoencoderTiny(
        encoder_block_out_channels=(config.width,) * stages,
        decoder_block_out_channels=(config.width,) * stages,
        num_encoder_blocks=tuple(config.encoder_blocks),
        num_decoder_blocks=tuple(config.decoder_blocks),
        latent_channels=config.latent_channels,
        scaling_factor=1 / config.latent_std,
    )
    for block in [*vae.encoder.layers, *vae.decoder.layers]:
        if hasattr(block, "fuse"):
            nn.init.zeros_(block.conv[-1].weight)
            nn.init.zeros_(block.conv[-1].bias)
    return vae


@torch.no_grad()
def start_from_principal_components(vae: AutoencoderTiny, images: Tensor, latent_std: float) -> None:
    """Set the encoder to the principal components of pixel patches: at step 0 it is the best linear encoder.

    The strided convolutions copy each patch into channels (pixels are not negative, so the rectifiers pass them), the
    last convolution projects it. Channels beyond the patch keep their random start and see the neighbourhood.

    Args:
        vae: Autoencoder with no blocks before its last stage, changed in place.
        images: Sample of images ``(N, 3, S, S)`` in [0, 1].
        latent_std: Deviation that each latent channel gets.
    Raises:
        ValueError: The encoder is too narrow for a patch or has blocks between its strided convolutions.
    """
    layers = list(vae.encoder.layers)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    head, strided, last = convolutions[0], convolutions[1:-1], convolutions[-1]
    patch = 2 ** len(strided)
    numbers = 3 * patch**2
    if head.out_channels < numbers:
        raise ValueError(f"width is {head.out_channels}; a patch of {patch} x {patch} pixels needs {numbers} or more")
    if layers[: len(strided) + 1] != convolutions[:-1]:
        raise ValueError("encoder_blocks has blocks before the last stage; allowed here: 0 for all but the last")
    if last.out_channels > numbers:
        raise ValueError(f"latent_channels is {last.out_channels}; allowed here: {numbers} or fewer")
    head.weight[:3], head.bias[:3] = 0, 0
    head.weight[range(3), range(3), 1, 1] = 1
    for level, convolution in enumerate(strided):  # channels: colour, y, x within the cell seen so far
        cell = 2**level
        convolution.weight[: 3 * (2 * cell) ** 2] = 0
        for source in range(3 * cell**2):
            colour, y, x = source // cell**2, source // cell % cell, source % cell
            for dy in range(2):
                for dx in range(2):
                    goal = colour * (2 * cell) ** 2 + (dy * cell + y) * 2 * cell + dx * cell + x
                    convolution.weight[goal, source, 1 + dy, 1 + dx] = 1
    patches = F.pixel_unshuffle(images, patch).permute(0, 2, 3, 1).reshape(-1, numbers)
    mean = patches.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov(patches.T))
    projection = (directions / variances.clamp_min(1e-8).sqrt()).T.flip(0)[: last.out_channels] * latent_std
    last.weight.zero_()
    last.weight[:, :numbers, 1, 1] = projection
    last.bias.copy_(-projection @ mean)


class AutoencoderModule(L.LightningModule):
    """Train an autoencoder on pixels alone: no target, no judge, no perceptual network takes part.

    Loss: squared error plus ``l1_weight`` absolute error in [-1, 1], plus a penalty on each latent channel's mean and
    variance. A little noise on the latents makes near latents decode to near images.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.vae = build_autoencoder(config)

    def encode(self, images: Tensor) -> Tensor:
        """Unit-variance latents ``(B, C, h, w)`` of images ``(B, 3, S, S)`` in [0, 1]."""
        return self.vae.encode(images * 2 - 1).latents / self.config.latent_std

    def decode(self, latents: Tensor) -> Tensor:
        """Images ``(B, 3, S, S)``, about [0, 1], of latents."""
        return self.vae.decode(latents * self.config.latent_std).sample / 2 + 0.5

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        images = batch["image"]
        latents = self.encode(images).float()
        recon = self.decode(latents + self.config.latent_noise * torch.randn_like(latents)).float()
        mean, variance = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
        moments = mean.square().mean() + (variance - 1).square().mean()
        pixels = 4 * F.mse_loss(recon, images) + 2 * self.config.l1_weight * F.l1_loss(recon, images)
        loss = pixels + self.config.moment_weight * moments
        self.log_dict({"train/loss": loss, "train/moments": moments}, prog_bar=True)
        return loss

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        recon = self.decode(self.encode(batch["image"]))
        self.log("val/psnr", psnr(recon, batch["image"]).mean(), batch_size=len(recon), prog_bar=True)

    def configure_optimizers(self) -> dict:
        return build_optimizer(self, self.vae.parameters(), self.config.optim)
