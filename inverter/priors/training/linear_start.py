"""An autoencoder that begins as the best linear one: principal components of patches, and least squares back."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from diffusers import AutoencoderDC
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.config import AutoencoderConfig
from inverter.config.errors import one_line
from inverter.priors.parts import load_autoencoder

NUM_START = 512  # pictures that the linear start comes from
RIDGE = 1e-7  # of the inputs' mean energy
LOUD = 64.0  # a constant channel, beside which the pixels hardly change the norm before the last convolution
LIFT = 2.0  # added behind that norm, where the activation is nearly linear


@torch.no_grad()
def start_linear(vae: AutoencoderDC, images: Tensor) -> None:
    """Set encoder and decoder to the best linear ones for patches; residual branches must be at zero.

    Shortcuts around the sampling hand on pixels as they are, and the encoder's last convolution makes principal
    components of variance 1 of them. The decoder's first predicts the pixels below each position from 3 x 3 latents, in
    the order in which the shortcuts put them at their places. They do so where each width is a quarter of the next;
    else the encoder sees random mixtures of pixels, and the decoder keeps its random start.

    Args:
        vae: Autoencoder as ``build_autoencoder`` makes it, changed in place.
        images: Sample of images ``(N, 3, S, S)`` in [0, 1].
    Raises:
        ValueError: More latent channels than a patch has numbers.
    """
    pixels, encoder = 2 * images - 1, vae.encoder
    patches = F.pixel_unshuffle(pixels, vae.spatial_compression_ratio)
    channels = vae.config.latent_channels
    if channels > patches.shape[1]:
        raise ValueError(f"latent_channels is {channels}; allowed here: {patches.shape[1]} or fewer")
    if shortcuts_place_pixels(vae):
        hand_on_pixels(encoder)
    hidden = nn.Sequential(encoder.conv_in, *encoder.down_blocks)(pixels)
    fit(encoder.conv_out, hidden, principal_components(patches, channels), size=1)
    if shortcuts_place_pixels(vae):
        start_decoder(vae.decoder, encoder(pixels), pixels)


def shortcuts_place_pixels(vae: AutoencoderDC) -> bool:
    """Whether the upsampling's shortcuts hand on every channel once, with room for the pixels and one channel more."""
    widths = vae.config.block_out_channels[1:]
    return widths[0] > 12 and all(fine * 4 == coarse for fine, coarse in pairwise(widths))


def hand_on_pixels(encoder: nn.Module) -> None:
    """Let the first channels of each resolution hold the pixels below each position."""
    first = encoder.conv_in.conv
    first.weight[:3], first.bias[:3] = 0, 0
    first.weight[range(3), range(3), 1, 1] = 1
    for finer, level in enumerate(block for block in list(encoder.down_blocks)[:-1] if len(block)):
        convolution, taken = level[-1].conv, 12 * 4**finer
        convolution.weight[:taken], convolution.bias[:taken] = 0, 0  # the shortcut's


def start_decoder(decoder: nn.Module, latents: Tensor, pixels: Tensor) -> None:
    """Set a decoder, whose shortcuts place pixels, to least squares from latents to pixels in [-1, 1]."""
    levels = [list(block) for block in reversed(decoder.up_blocks) if len(block)]
    nested = pixels
    for _ in levels:
        nested = F.pixel_unshuffle(nested, 2)
    fit(decoder.conv_in, latents, nested, size=3)
    for finer, level in enumerate(levels[1:]):
        convolution, taken = level[0].conv, nested.shape[1] // 4**finer
        convolution.weight[:taken], convolution.bias[:taken] = 0, 0  # the shortcut's
    last = levels[-1][0].conv if levels[1:] else decoder.conv_in
    places = 4 if levels[1:] else 1  # of the last channel before the pixels are shuffled
    last.weight[-places:], last.bias[-places:] = 0, LOUD
    norm = decoder.norm_out
    norm.weight.fill_(LOUD / len(norm.weight) ** 0.5)
    norm.weight[-1] = 0
    norm.bias.fill_(LIFT)
    hidden = nn.Sequential(decoder.conv_in, *(layer for level in levels for layer in level))(latents)
    activations = decoder.conv_act(rearrange(norm(rearrange(hidden, "n c h w -> n h w c")), "n h w c -> n c h w"))
    fit(decoder.conv_out.conv, activations, F.pixel_unshuffle(pixels, 2), size=1)


def principal_components(patches: Tensor, count: int) -> Tensor:
    """The first components ``(N, count, h, w)`` of patches ``(N, P, h, w)``, each of mean 0 and variance 1."""
    flat = rearrange(patches, "n p h w -> n h w p")
    centred = flat - flat.mean((0, 1, 2))
    variances, directions = torch.linalg.eigh(torch.cov(rearrange(centred, "n h w p -> (n h w) p").T))
    components = centred @ (directions / variances.clamp_min(1e-8).sqrt()).flip(1)[:, :count]
    return rearrange(components, "n h w c -> n c h w")


def fit(convolution: nn.Conv2d, inputs: Tensor, goals: Tensor, size: int) -> None:
    """Set a convolution's first output channels to what brings ``inputs`` nearest to ``goals``.

    Args:
        convolution: With a kernel of 3 x 3 and a bias.
        inputs: ``(N, C, h, w)``.
        goals: ``(N, T, h, w)``.
        size: Side of the part of the kernel that is used, 1 or 3.
    """
    count = size**2 * inputs.shape[1] + 1
    products, moments = torch.zeros(count, count).double(), torch.zeros(count, goals.shape[1]).double()
    for batch, goal in zip(inputs.split(16), goals.split(16), strict=True):
        taps = rearrange(F.unfold(batch, size, padding=size // 2), "n c l -> c (n l)")
        taps = torch.cat([taps, torch.ones(1, taps.shape[1])])
        products += (taps @ taps.T).double()
        moments += (taps @ rearrange(goal, "n t h w -> (n h w) t")).double()
    products.diagonal().add_(RIDGE * products.trace() / count)
    solved = torch.linalg.solve(products, moments).T.float()  # (T, count)
    used, edge = len(solved), (3 - size) // 2
    convolution.weight[:used] = 0
    convolution.weight[:used, :, edge : 3 - edge, edge : 3 - edge] = rearrange(
        solved[:, :-1], "t (c i j) -> t c i j", i=size, j=size
    )
    convolution.bias[:used] = solved[:, -1]


def start_autoencoder(vae: AutoencoderDC, config: AutoencoderConfig, sample: Tensor) -> None:
    """Give a fresh autoencoder the weights that training begins with: ``start_from``'s, else linear ones.

    Raises:
        ValueError: ``start_from`` holds no autoencoder, or one of other sizes. It may have fewer encoder blocks at the
            last resolution: a residual block that it lacks begins as the identity.
    """
    if config.start_from is None:
        start_linear(vae, sample[:NUM_START])
        return
    try:
        keys = vae.load_state_dict(load_autoencoder(Path(config.start_from)).state_dict(), strict=False)
        last = f"encoder.down_blocks.{len(config.widths)}."
        if wrong := [*keys.unexpected_keys, *(key for key in keys.missing_keys if not key.startswith(last))]:
            raise ValueError(f"weight {wrong[0]} is of one of the two only")
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"start_from={config.start_from} is no autoencoder of these sizes: {one_line(error)}"
        ) from error
