import pytest
import torch
from torch.nn import functional as F

from inverter.config import AutoencoderConfig
from inverter.priors.autoencoder import build_autoencoder, start_from_principal_components
from inverter.priors.linear_start import start_from_least_squares
from inverter.priors.pixel_placement import can_place, place_pixels


def build(width: int = 56, blocks: tuple[int, ...] = (3, 1, 1)):
    config = AutoencoderConfig(
        encoder_width=48,
        decoder_width=width,
        latent_channels=12,
        encoder_blocks=[0, 0, 1],
        decoder_blocks=list(blocks),
    )
    return build_autoencoder(config)


def hand_over_pixels(vae) -> None:
    """Let the opening convolution copy a latent channel into each pixel of the patch, 4 pixels a channel."""
    opening = vae.decoder.layers[0]
    with torch.no_grad():
        opening.weight[:48], opening.bias[:48] = 0, 0
        opening.weight[range(48), [pixel % 12 for pixel in range(48)], 1, 1] = 1


@pytest.mark.parametrize(
    ("size", "blocks"), [(64, (3, 1, 1)), (64, (6, 2, 1)), (32, (2, 1, 1)), (24, (1, 1, 1)), (16, (1, 1, 2))]
)
def test_every_pixel_comes_out_at_its_place(size, blocks):
    vae = build(blocks=blocks)
    hand_over_pixels(vae)
    place_pixels(vae)
    latents = torch.rand(2, 12, size // 4, size // 4)
    with torch.no_grad():
        image = vae.decoder.layers(latents)
    torch.testing.assert_close(image, F.pixel_shuffle(latents.repeat(1, 4, 1, 1), 4), rtol=0, atol=1e-5)


def test_a_fresh_decoder_is_the_linear_one_of_its_latents():
    images = F.interpolate(torch.rand(48, 3, 16, 16), size=64, mode="bicubic").clamp(0, 1)
    vae = build()
    start_from_principal_components(vae, images)
    start_from_least_squares(vae, images[:32])
    with torch.no_grad():
        latents = vae.encoder.layers(images[32:])
        opening = vae.decoder.layers[0]
        patches = F.conv2d(latents, opening.weight[:48], opening.bias[:48], padding=1).clamp_min(0)
        torch.testing.assert_close(vae.decoder.layers(latents), F.pixel_shuffle(patches, 4), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("width", "blocks", "size"),
    [
        (55, (3, 1, 1), 64),
        (56, (2, 1, 1), 64),
        (56, (1, 1, 1), 32),
        (56, (6, 1, 0), 64),
        (56, (6, 0, 1), 64),
        (56, (3, 1, 1), 128),
    ],
    ids=["too narrow", "too few coarse blocks", "one too few", "none at full", "none at half", "picture too large"],
)
def test_what_cannot_be_wired_is_told(width, blocks, size):
    assert not can_place(build(width, blocks), size)
    assert can_place(build(), 64)
