"""Training of the prior's autoencoder: images to latents of unit variance and back."""

from __future__ import annotations

import lightning as L
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.config import AutoencoderConfig
from inverter.evaluation.metrics import psnr
from inverter.losses.image import gradient_distance, image_distance, multi_scale_distance
from inverter.priors.discriminator import PatchDiscriminator, adversarial_gradient, hinge_loss
from inverter.training import build_optimizer, training_progress

RAMP = 0.05  # share of the training over which the adversarial term grows to its weight


def build_autoencoder(config: AutoencoderConfig) -> AutoencoderTiny:
    """diffusers' ``AutoencoderTiny`` with residual branches that start at zero, so that it trains fast."""
    vae = AutoencoderTiny(
        encoder_block_out_channels=(config.encoder_width,) * len(config.encoder_blocks),
        decoder_block_out_channels=(config.decoder_width,) * len(config.decoder_blocks),
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
def start_from_principal_components(vae: AutoencoderTiny, images: Tensor, latent_std: float = 1.0) -> None:
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
        raise ValueError(
            f"encoder_width is {head.out_channels}; a patch of {patch} x {patch} pixels needs {numbers} or more"
        )
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

    While it trains, latents have unit variance and pass no tanh; the stage folds what is left of their moments into
    the saved autoencoder. A little noise on the latents makes near latents decode to near images. The discriminator,
    where there is one, takes part after ``adversarial_start`` of the training, in the same step: its own loss sees
    detached images, and the autoencoder is pushed by the gradient at its images, as long as that of the other terms.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        if not 0 <= config.adversarial_start <= 1:
            raise ValueError(f"adversarial_start is {config.adversarial_start}; allowed: 0 to 1")
        self.config = config
        self.vae = build_autoencoder(config)
        self.discriminator = PatchDiscriminator(config.discriminator_width) if config.adversarial_weight else None
        if config.compile:
            self.vae.encoder.layers.compile()
            self.vae.decoder.layers.compile()

    def encode(self, images: Tensor) -> Tensor:
        """Unit-variance latents ``(B, C, h, w)`` of images ``(B, 3, S, S)`` in [0, 1]."""
        return self.vae.encoder.layers(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Images ``(B, 3, S, S)``, about [0, 1], of latents."""
        return self.vae.decoder.layers(latents)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Round trip of images ``(B, 3, S, S)`` in [0, 1]."""
        return self.decode(self.encode(images)).float().clamp(0, 1)

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        images = batch["image"]
        latents = self.encode(images).float()
        recon = self.decode(latents + self.config.latent_noise * torch.randn_like(latents)).float()
        pixels = pixel_loss(recon, images, self.config)
        moments = moment_loss(latents)
        loss = pixels + self.config.moment_weight * moments
        logged = {"train/pixels": pixels, "train/moments": moments}
        if self.discriminator is not None:
            over = training_progress(self, self.global_step, self.config.optim) - self.config.adversarial_start
            if over >= 0:
                weight = self.config.adversarial_weight * min(over / RAMP, 1.0)
                gradient = adversarial_gradient(self.discriminator, recon, pixels)
                real, fake = self.discriminator(images).float(), self.discriminator(recon.detach()).float()
                hinge = hinge_loss(real, fake)
                loss = loss + weight * (recon * gradient).sum() + hinge
                logged |= {"train/hinge": hinge, "train/realism": fake.mean()}
        self.log_dict({name: value.detach() for name, value in logged.items()})
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        recon = self.reconstruct(batch["image"])
        self.log("val/psnr", psnr(recon, batch["image"]).mean(), batch_size=len(recon), prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> dict:
        groups: list[dict] = [{"params": list(self.vae.parameters())}]
        if self.discriminator is not None:
            own = {"lr": self.config.adversarial_lr, "betas": (0.5, 0.9), "weight_decay": 0.0}
            groups.append({"params": list(self.discriminator.parameters()), **own})
        return build_optimizer(self, groups, self.config.optim)

    def configure_gradient_clipping(
        self, optimizer: torch.optim.Optimizer, gradient_clip_val: float | None = None, *_: object, **__: object
    ) -> None:
        """Clip autoencoder and discriminator apart, so that neither shortens the other's steps."""
        for part in (self.vae, self.discriminator):
            if part is not None and gradient_clip_val:
                nn.utils.clip_grad_norm_(part.parameters(), gradient_clip_val)


def pixel_loss(recon: Tensor, image: Tensor, config: AutoencoderConfig) -> Tensor:
    """Squared error plus weighted absolute, multi-scale and gradient errors, in units of [-1, 1]."""
    loss = 4 * image_distance(recon, image, "mse").mean()
    terms = (
        (config.l1_weight, image_distance),
        (config.multi_scale_weight, multi_scale_distance),
        (config.gradient_weight, gradient_distance),
    )
    for weight, distance in terms:
        if weight:
            loss = loss + 2 * weight * distance(recon, image).mean()
    return loss


def moment_loss(latents: Tensor) -> Tensor:
    """How far each channel of latents ``(B, C, h, w)`` is from mean 0 and variance 1, squared, mean over channels."""
    mean, variance = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
    return mean.square().mean() + (variance - 1).square().mean()
