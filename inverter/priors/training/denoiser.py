"""Training of the prior's denoiser: a text-conditional U-Net on the autoencoder's latents."""

from __future__ import annotations

import copy

import torch
from diffusers import AutoencoderDC, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from torchvision.utils import make_grid
from transformers import CLIPTokenizer

from inverter.config import DenoiserConfig
from inverter.priors.control import run_unet
from inverter.priors.families.stable_diffusion import StableDiffusionPrior
from inverter.priors.process import Diffusion
from inverter.priors.sampling import Generators, denoising_loss
from inverter.priors.text import build_text_encoder
from inverter.priors.training.cost import check_macs, count_macs
from inverter.priors.training.module import LatentTraining, unfuse_attention_on_cpu
from inverter.run.optimizer import build_optimizer

NORM_GROUPS = 16


def build_unet(config: DenoiserConfig, latent_shape: tuple[int, int, int]) -> UNet2DConditionModel:
    """U-Net with text attention on every level but the finest, where it would cost most and matter least."""
    levels = len(config.widths)
    for name in ("head_dim", "layers_per_block"):
        if (value := getattr(config, name)) < 1:
            raise ValueError(f"{name} is {value}; allowed: 1 or more")
    if any(width < 1 or width % NORM_GROUPS or width % config.head_dim for width in config.widths):
        raise ValueError(
            f"widths is {list(config.widths)}; allowed: multiples of {NORM_GROUPS} and of head_dim={config.head_dim}"
        )
    return UNet2DConditionModel(
        sample_size=latent_shape[-1],
        in_channels=latent_shape[0],
        out_channels=latent_shape[0],
        block_out_channels=tuple(config.widths),
        layers_per_block=config.layers_per_block,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * (levels - 1),
        up_block_types=("CrossAttnUpBlock2D",) * (levels - 1) + ("UpBlock2D",),
        cross_attention_dim=config.text_width,
        attention_head_dim=[width // config.head_dim for width in config.widths],  # diffusers' name for the head count
        norm_num_groups=NORM_GROUPS,
    )


def build_scheduler(prediction_type: str) -> DDIMScheduler:
    """DDIM on the squared-cosine schedule, rescaled to end in pure noise (arXiv:2305.08891), trailing timesteps."""
    allowed = ("v_prediction", "epsilon")
    if prediction_type not in allowed:
        raise ValueError(f"prediction_type is {prediction_type!r}; allowed: {', '.join(allowed)}")
    velocity = prediction_type == "v_prediction"
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type=prediction_type,
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=velocity,
    )


class DenoiserModule(LatentTraining):
    """Train U-Net and text encoder together on cached latents and their captions.

    Batches hold ``latents`` ``(B, C, h, w)`` of unit variance and ``tokens`` ``(B, K)`` of their prompts.
    """

    def __init__(self, config: DenoiserConfig, latent_shape: tuple[int, int, int], tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.config, self.tokenizer = config, tokenizer
        self.text_encoder = build_text_encoder(tokenizer, config.text_width, config.text_layers)
        self.unet = build_unet(config, latent_shape)
        self.scheduler = build_scheduler(config.prediction_type)
        if config.snr_gamma is not None and config.snr_gamma <= 0:
            raise ValueError(f"snr_gamma is {config.snr_gamma}; allowed: a positive number, or null for no bound")
        self.macs = count_macs(self.unet, latent_shape, (config.num_tokens, config.text_width))
        check_macs(self.macs, config.max_gmac)
        if config.compile:
            self.unet.compile()

    def on_fit_start(self) -> None:
        unfuse_attention_on_cpu(self.unet)

    def configure_optimizers(self) -> dict:
        return build_optimizer(self, [*self.unet.parameters(), *self.text_encoder.parameters()], self.config.optim)

    def loss(self, batch: dict, generator: Generators) -> Tensor:
        text = self.text_encoder(batch["tokens"])[0]
        return denoising_loss(
            Diffusion(self.scheduler),
            lambda noisy, t: run_unet(self.unet, noisy, t, text),
            batch["latents"],
            generator=generator,
            snr_gamma=self.config.snr_gamma,
        )

    @torch.no_grad()
    def samples(self, vae: AutoencoderDC, prompts: list[str]) -> Tensor:
        """Grid ``(3, H, W)`` of samples for the first prompts: 8 steps, guidance 2, the same noise each time."""
        networks = copy.deepcopy((self.unet, self.text_encoder))  # a prior is frozen, and these are in training
        prior = StableDiffusionPrior(vae, networks[0], self.scheduler, networks[1], self.tokenizer)
        generator, text = torch.Generator().manual_seed(0), prior.condition(prompts[: self.config.grid_prompts])
        images = prior.decode(prior.sample(text, guidance_scale=2.0, generator=generator))
        return make_grid(images.float().cpu(), nrow=8)
