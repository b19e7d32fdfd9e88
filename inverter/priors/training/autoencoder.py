"""Training of the prior's autoencoder: images to latents of unit variance and back."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import lightning as L
import torch
from diffusers import AutoencoderDC
from diffusers.models.autoencoders.autoencoder_dc import ResBlock
from torch import Tensor, nn

from inverter.config import AutoencoderConfig
from inverter.losses.image import gradient_distance, image_distance, multi_scale_distance
from inverter.losses.quality import psnr
from inverter.priors.training.discriminator import PatchDiscriminator, adversarial_gradient, hinge_loss
from inverter.run.training import build_optimizer, training_progress

LOSS_WEIGHTS = (
    "l1_weight",
    "multi_scale_weight",
    "gradient_weight",
    "moment_weight",
    "anchor_weight",
    "adversarial_weight",
)
TINY = 4e-5  # added to a picture's loss before its logarithm is taken: the squared error at 50 dB
RAMP = 0.05  # share of the training over which the adversarial term grows to its weight


def build_autoencoder(config: AutoencoderConfig) -> AutoencoderDC:
    """diffusers' ``AutoencoderDC``, space to depth at once, with residual branches that start at zero.

    Raises:
        ValueError: Lists that disagree in length, a resolution without a block, no latent channel, or widths that
            shortcuts cannot bridge.
    """
    stages = {"widths": config.widths, "encoder_blocks": config.encoder_blocks, "decoder_blocks": config.decoder_blocks}
    if len({len(values) for values in stages.values()}) != 1:
        lengths = ", ".join(f"{name} has {len(values)}" for name, values in stages.items())
        raise ValueError(f"{lengths} entries; allowed: as many of each, one for each resolution below the full one")
    for name, values in stages.items():
        if not values or min(values) < 1:
            raise ValueError(f"{name} is {list(values)}; allowed: 1 or more at each resolution")
    if config.latent_channels < 1:
        raise ValueError(f"latent_channels is {config.latent_channels}; allowed: 1 or more")
    steps = pairwise(config.widths)
    if any(width % 4 for width in config.widths) or any(4 * fine % coarse for fine, coarse in steps):
        raise ValueError(
            f"widths is {list(config.widths)}; allowed: multiples of 4, each after the first a divisor of 4 times the "
            "one before"
        )
    widths = (config.widths[0], *config.widths)  # of the full resolution, which has no blocks, the width is never used
    vae = AutoencoderDC(
        latent_channels=config.latent_channels,
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        encoder_layers_per_block=(0, *config.encoder_blocks),
        decoder_layers_per_block=(0, *config.decoder_blocks),
        encoder_qkv_multiscales=((),) * len(widths),
        decoder_qkv_multiscales=((),) * len(widths),
        encoder_out_shortcut=False,
        decoder_in_shortcut=False,
        decoder_conv_act_fn="silu",
    )
    vae.register_to_config(block_out_channels=widths)  # what diffusers' pipelines tell the downsampling from
    for block in vae.modules():
        if isinstance(block, ResBlock):
            nn.init.zeros_(block.norm.weight)
            nn.init.zeros_(block.norm.bias)
    return vae


class AutoencoderModule(L.LightningModule):
    """Train an autoencoder on pixels alone: no target, no judge, no perceptual network takes part.

    While it trains, latents are kept near unit variance; the stage folds what is left of their moments into the
    saved autoencoder. A little noise on the latents makes near latents decode to near images. The discriminator,
    where there is one, takes part after ``adversarial_start`` of the training, in the same step: its own loss sees
    detached images, and the autoencoder is pushed by the gradient at its images, as long as that of the other terms.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        if not 0 <= config.adversarial_start <= 1:
            raise ValueError(f"adversarial_start is {config.adversarial_start}; allowed: 0 to 1")
        for name in LOSS_WEIGHTS:
            if not 0 <= (value := getattr(config, name)) < math.inf:
                raise ValueError(f"{name} is {value}; allowed: 0 or more")
        if config.anchor_weight and config.start_from is None:
            raise ValueError(f"anchor_weight is {config.anchor_weight}; allowed: 0, or name start_from")
        self.config = config
        self.vae = build_autoencoder(config)
        if config.resolution % (ratio := self.vae.spatial_compression_ratio):
            raise ValueError(
                f"resolution is {config.resolution}; allowed with {len(config.widths)} widths: multiples of {ratio}"
            )
        self.discriminator = PatchDiscriminator(config.discriminator_width) if config.adversarial_weight else None
        self.anchor = copy.deepcopy(self.vae.encoder).requires_grad_(False) if config.anchor_weight else None

    def set_anchor(self) -> None:
        """Hold the latents, where there is an anchor, near those of the encoder as it is now."""
        if self.anchor is not None:
            self.anchor.load_state_dict(self.vae.encoder.state_dict())

    def compile_parts(self) -> None:
        """Compile encoder and decoder where the configuration says so; calls of their ``forward`` stay as they are."""
        if self.config.compile:
            self.vae.encoder.compile()
            self.vae.decoder.compile()
            if self.anchor is not None:
                self.anchor.compile()

    def encode(self, images: Tensor) -> Tensor:
        """Unit-variance latents ``(B, C, h, w)`` of images ``(B, 3, S, S)`` in [0, 1]."""
        return self.vae.encoder(2 * images - 1)

    def decode(self, latents: Tensor) -> Tensor:
        """Images ``(B, 3, S, S)``, about [0, 1], of latents."""
        return self.vae.decoder(latents) / 2 + 0.5

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
        if self.anchor is not None:
            drift = (latents - self.anchor(2 * images - 1).float()).square().mean()
            loss = loss + self.config.anchor_weight * drift
            logged["train/drift"] = drift
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
            own = {"lr": self.config.adversarial_lr, "betas": (0.5, 0.9), "momentum": 0.5, "weight_decay": 0.0}
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
    """Squared error plus weighted absolute, multi-scale and gradient errors, in units of [-1, 1]; mean of all pictures.

    With ``relative_loss``, the mean logarithm of each picture's.
    """
    loss = 4 * image_distance(recon, image, "mse")
    terms = (
        (config.l1_weight, image_distance),
        (config.multi_scale_weight, multi_scale_distance),
        (config.gradient_weight, gradient_distance),
    )
    for weight, distance in terms:
        if weight:
            loss = loss + 2 * weight * distance(recon, image)
    return ((loss + TINY).log() if config.relative_loss else loss).mean()


def moment_loss(latents: Tensor) -> Tensor:
    """How far each channel of latents ``(B, C, h, w)`` is from mean 0 and variance 1, squared, mean over channels."""
    mean, variance = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
    return mean.square().mean() + (variance - 1).square().mean()
