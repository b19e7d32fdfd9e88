"""How a decoder that repeats pixels learns where in a cell it is.

``AutoencoderTiny`` upsamples by repeating, and what follows is the same at every pixel, so a fresh decoder cannot put
one value at the left pixel of two and another at the right one. A linear one loses 2, 5 and 10 dB for it, with 8, 12
and 16 latent channels. What differs from place to place is the border, where convolutions see zeros. From there a
recurrence, ``c(x) = relu(1 - c(x - 1))``, one cell further with each convolution, makes a channel that is 1 and 0 in
turn; repeated, it changes at the left pixel of each two and nowhere else. Knowing that, a rectifier passes each value
where it belongs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from diffusers import AutoencoderTiny
from torch import nn

LEFT, RIGHT, ABOVE, BELOW = (1, 0), (1, 2), (0, 1), (2, 1)  # taps of a 3 x 3 kernel
CARRIERS = (LEFT, RIGHT, ABOVE, BELOW)  # a channel each, which counts from that border
PENALTY = 2.0  # more than a pixel's value: what a rectifier takes off where a value does not belong


class Stage(NamedTuple):
    """The layers at one resolution of a decoder: the convolution that opens it, and its blocks."""

    opening: nn.Conv2d
    blocks: list[nn.Module]


def stages(vae: AutoencoderTiny) -> list[Stage]:
    """A decoder's resolutions, coarse to fine."""
    found: list[Stage] = []
    for layer in list(vae.decoder.layers)[:-1]:
        if isinstance(layer, nn.Conv2d):
            found.append(Stage(layer, []))
        elif hasattr(layer, "fuse"):
            found[-1].blocks.append(layer)
    return found


def can_place(vae: AutoencoderTiny, size: int) -> bool:
    """Whether a decoder has the width and the blocks to place pixels in pictures of ``size`` pixels a side."""
    coarse, *finer = stages(vae)
    factor = 2 ** len(finer)
    wide = coarse.opening.out_channels >= 3 * factor**2 + 2 * len(CARRIERS)
    reach = 3 * len(coarse.blocks)  # cells from each border that are counted, beyond the first
    return wide and 2 * reach + 1 >= size // factor and all(stage.blocks for stage in finer)


@torch.no_grad()
def place_pixels(vae: AutoencoderTiny) -> None:
    """Wire a decoder so that each pixel of a patch, held by a channel of its cell, comes out at its place.

    The convolution that opens the decoder must put the pixels of a patch, as ``pixel_unshuffle`` orders them, into its
    first channels; residual branches must be at zero. Channels that take no part keep their random start.

    Args:
        vae: Autoencoder for which ``can_place`` holds, changed in place.
    """
    coarse, *finer = stages(vae)
    width = coarse.opening.out_channels
    carriers = list(range(width - len(CARRIERS), width))
    clear(coarse.opening, carriers)
    coarse.opening.bias[carriers] = 1
    for block in coarse.blocks:
        count_on(block, carriers)
    side = 2 ** len(finer)  # pixels of a cell at the stage before
    for level, stage in enumerate(finer):
        open_stage(stage.opening, carriers, side, first=level == 0)
        select(stage.blocks[0], carriers, side)
        side //= 2
    last = vae.decoder.layers[-1]
    last.weight.zero_()
    last.bias.zero_()
    for channel in range(12):
        last.weight[channel // 4, channel, 1, 1] = 1


def count_on(block: nn.Module, carriers: list[int]) -> None:
    """Let a block take each carrier three cells further from its border."""
    first, second, third = (block.conv[i] for i in (0, 2, 4))
    ahead, kept = carriers, [channel - len(carriers) for channel in carriers]
    clear(first, ahead + kept)
    clear(second, ahead + kept)
    clear(third, carriers)
    for new, old, tap in zip(ahead, kept, CARRIERS, strict=True):
        for convolution in (first, second, third):
            convolution.weight[new, new, tap[0], tap[1]] = -1
            convolution.bias[new] = 1
        first.weight[old, new, 1, 1] = 1
        second.weight[old, old, 1, 1] = 1
        third.weight[new, old, 1, 1] = -1  # the block adds its input, which is not wanted


def open_stage(convolution: nn.Conv2d, carriers: list[int], side: int, first: bool) -> None:
    """Hand on the values of a cell of ``side`` pixels, and where the carriers change: at the first of two pixels."""
    values = 3 * side**2
    clear(convolution, [*range(values), *carriers])
    if first:
        convolution.weight[range(values), range(values), 1, 1] = 1
    else:  # the stage before passed each value at one of four places only
        for channel in range(3 * (2 * side) ** 2):
            colour, y, x = channel // (2 * side) ** 2, channel // (2 * side) % (2 * side), channel % (2 * side)
            convolution.weight[colour * side**2 + y % side * side + x % side, channel, 1, 1] = 1
    for channel, tap in zip(carriers, (LEFT, LEFT, ABOVE, ABOVE), strict=True):
        convolution.weight[channel, channel, 1, 1] = 1
        convolution.weight[channel, channel, tap[0], tap[1]] = -1


def select(block: nn.Module, carriers: list[int], side: int) -> None:
    """Let a block pass each value at the quarter of its cell that it belongs to; carriers become 1 at first pixels."""
    first, second, third = (block.conv[i] for i in (0, 2, 4))
    rise, fall = carriers, [channel - len(carriers) for channel in carriers]
    odd = [channel - 2 * len(carriers) for channel in carriers[::2]]  # 1 at the second of two pixels: along x, along y
    clear(first, rise + fall)
    clear(second, rise + fall + odd)
    clear(third, [*range(3 * side**2), *carriers])
    for up, down in zip(rise, fall, strict=True):
        first.weight[up, up, 1, 1] = 1
        first.weight[down, up, 1, 1] = -1
        for channel in (up, down):
            second.weight[channel, channel, 1, 1] = 1
        third.weight[up, up, 1, 1] = -1  # takes the input off again
        third.weight[up, down, 1, 1] = 1
    for axis, channel in enumerate(odd):
        second.bias[channel] = 1
        for pair in (2 * axis, 2 * axis + 1):
            second.weight[channel, [rise[pair], fall[pair]], 1, 1] = -1
        third.weight[carriers[2 * axis], channel, 1, 1] = -1
        third.bias[carriers[2 * axis]] = 1
    half = side // 2
    for channel in range(3 * side**2):
        y, x = channel // side % side, channel % side
        for place, odd_place in ((x, odd[0]), (y, odd[1])):
            second_pixel = place >= half
            third.weight[channel, odd_place, 1, 1] = PENALTY if second_pixel else -PENALTY
            third.bias[channel] -= PENALTY * second_pixel


def clear(convolution: nn.Conv2d, channels: list[int]) -> None:
    """Make a convolution's output channels zero."""
    convolution.weight[channels] = 0
    if convolution.bias is not None:
        convolution.bias[channels] = 0
