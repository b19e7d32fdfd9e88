"""Pipelines of the families' classes at toy width, with random weights."""

from pathlib import Path

import diffusers
import torch
import transformers

from inverter.priors.text import train_tokenizer

CAPTIONS = ["a red square on the left of a blue wall", "a small dog in front of a green hill", "two boats at night"]


def _vae(channels: int, **more: float) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=8,
        sample_size=16,
        **more,
    )


def _clip(tokenizer: transformers.CLIPTokenizer, width: int) -> transformers.CLIPTextModelWithProjection:
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    return transformers.CLIPTextModelWithProjection(config)


def write_xl(folder: Path) -> Path:
    """Stable Diffusion XL's classes: two text encoders, pooled text and sizes."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        tokenizer = train_tokenizer(CAPTIONS, 600, 12)
        second = _clip(tokenizer, 24)
        first = transformers.CLIPTextModel(_clip(tokenizer, 16).config)
        unet = diffusers.UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(16, 32),
            layers_per_block=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16 + 24,
            attention_head_dim=(2, 4),
            transformer_layers_per_block=(1, 2),
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=24 + 6 * 8,
            norm_num_groups=8,
            use_linear_projection=True,
        )
        scheduler = diffusers.EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            timestep_spacing="leading",
        )
        diffusers.StableDiffusionXLPipeline(
            _vae(4, scaling_factor=0.13025), first, second, tokenizer, tokenizer, unet, scheduler
        ).save_pretrained(folder, safe_serialization=True)
    return folder


def write_flow(folder: Path) -> Path:
    """Stable Diffusion 3's classes without the third text encoder."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        tokenizer = train_tokenizer(CAPTIONS, 600, 12)
        transformer = diffusers.SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=3,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=48,
            caption_projection_dim=16,
            pooled_projection_dim=16 + 24,
            pos_embed_max_size=8,
        )
        for name, parameter in transformer.named_parameters():  # fresh ones hardly listen to the text
            if name.endswith(("proj_out.weight", "context_embedder.weight", "add_v_proj.weight", "norm1.linear.bias")):
                torch.nn.init.normal_(parameter, std=0.5)
        scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
        diffusers.StableDiffusion3Pipeline(
            transformer,
            scheduler,
            _vae(4, scaling_factor=1.5305, shift_factor=0.0609),
            _clip(tokenizer, 16),
            tokenizer,
            _clip(tokenizer, 24),
            tokenizer,
            None,
            None,
        ).save_pretrained(folder, safe_serialization=True)
    return folder
