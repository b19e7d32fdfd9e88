"""Schemas of training a prior, and of what all trainings from image shards share."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config.training import OptimConfig, TrainerConfig


@dataclass
class ImageDataConfig:
    shards: str = MISSING  # image shards to train on: path, glob or braces
    dev: str = MISSING  # image shards for validation
    photos: str | None = None  # image shards of larger photos, of which random squares are trained on beside the shards
    photo_size: int = 256  # pixels a side that photos are kept at
    photo_share: float = 0.1  # share of the training pictures that are cut from photos
    photo_crop: float = 0.4  # least side of such a square, as a share of the photo's
    batch_size: int = 32
    num_workers: int = 1
    crop: int = 4  # pixels of random shift (autoencoder) or cut off (denoiser), mirrored too; a judge has min_crop
    cache: str | None = None  # folder of the decoded pictures, which runs may share; null: OUTPUT/pictures


@dataclass
class ImageTrainingConfig:
    data: ImageDataConfig = field(default_factory=ImageDataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    output: str = MISSING
    resume: bool = True  # go on from OUTPUT/checkpoints/last.ckpt when it is there
    seed: int = 0


@dataclass
class AutoencoderConfig(ImageTrainingConfig):
    resolution: int = 64
    start_from: str | None = None  # diffusers folder of a trained autoencoder, which may lack blocks of the encoder's
    # last resolution; null: the best linear one
    anchor_weight: float = 0.0  # weight of the latents' squared distance from those of start_from, a prior's vae, so
    # that the prior's denoiser serves on: OUTPUT/prior is then that prior with the new autoencoder
    latent_channels: int = 12  # more keep more of a picture, and are drawn worse
    widths: list[int] = field(default_factory=lambda: [48, 192])  # a stage: half, quarter resolution
    encoder_blocks: list[int] = field(default_factory=lambda: [1, 2])  # residual blocks a stage
    decoder_blocks: list[int] = field(default_factory=lambda: [1, 4])  # the same of the decoder
    relative_loss: bool = False  # the logarithm of each picture's loss: easy pictures count as much as hard ones
    l1_weight: float = 0.2  # of the absolute error
    multi_scale_weight: float = 0.1  # absolute error over a pyramid: counts what is wrong at large
    gradient_weight: float = 0.1  # absolute error of the finite differences: counts edges
    moment_weight: float = 0.01  # keeps each latent channel near mean 0 and variance 1
    latent_noise: float = 0.03  # std of the noise added to the unit-variance latents while training
    adversarial_weight: float = 0.0  # weight of the patch discriminator, relative to the other terms; 0 trains none
    adversarial_start: float = 0.7  # share of the training after which the discriminator takes part
    adversarial_lr: float = 4e-4  # of the discriminator
    discriminator_width: int = 48  # channels of its first layer
    compile: bool = False


@dataclass
class DenoiserConfig(ImageTrainingConfig):
    autoencoder: str = MISSING  # diffusers folder of the trained autoencoder
    resolution: int = 64
    views: int = 4  # latents cached of each picture: itself, its mirror image, then slight crops and theirs
    widths: list[int] = field(default_factory=lambda: [64, 128, 192])  # channels of each resolution of the U-Net
    layers_per_block: int = 1  # residual layers a stage
    head_dim: int = 32  # channels of an attention head
    text_width: int = 128  # of the text encoder, and of a token's conditioning
    text_layers: int = 2  # of the text encoder
    num_tokens: int = 24  # length of a tokenised prompt
    vocabulary: int = 1024  # entries of the tokenizer, learned from the captions
    prompt_dropout: float = 0.1  # share of training prompts replaced by "" (classifier-free guidance)
    prediction_type: str = "v_prediction"  # v_prediction | epsilon
    snr_gamma: float | None = 5.0  # largest weight of a timestep's x0 error (min-SNR); null: the prediction's own
    max_gmac: float | None = 1.2  # most multiply-adds of a forward pass, in 10^9; null: any number
    grid_prompts: int = 16  # captions of dev that samples are drawn for at each validation
    compile: bool = False


@dataclass
class DistillConfig(ImageTrainingConfig):
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=2e-4, weight_decay=0.0))
    prior: str = MISSING  # the trained prior: a name under checkpoints/ or a folder
    views: int = 4  # as for the denoiser
    prompt_dropout: float = 0.1
    rank: int = 16
    max_megabytes: float = 5.0  # largest LoRA, in half precision
    guidance_scale: float = 2.0  # of the base's path, whose ends the variant draws without guidance
    num_ddim_steps: int = 48  # of the base's path; a multiple of 12 has all timesteps of 1 to 4 steps on it
    huber: float = 0.01  # difference below which the loss is squared
    grid_prompts: int = 8  # captions of dev that samples are drawn for at each validation, in 1, 2 and 4 steps
    publish: bool = False  # also put the LoRA into the prior's folder, as PRIOR+few-step
