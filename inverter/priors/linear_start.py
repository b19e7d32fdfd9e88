"""A decoder that begins as a linear one: least squares, level by level, from latents to finer and finer pixels."""

from __future__ import annotations

import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.priors.pixel_placement import can_place, place_pixels

RIDGE = 1e-5  # of the features' mean energy


@torch.no_grad()
def start_from_least_squares(vae: AutoencoderTiny, images: Tensor) -> None:
    """Set the decoder's convolutions so that, before training, it is a good linear decoder.

    The first predicts the pixels that lie below each of its positions. Where width and blocks allow, the others put
    them at their places (``place_pixels``); else each predicts the pixels below its own positions as well as it can,
    which rectifiers pass, and the last hands on colours. A decoder too narrow for a patch's pixels is left as it is,
    and so are the channels beyond them.

    Args:
        vae: Autoencoder whose encoder has its start already, changed in place; residual branches are at zero.
        images: Sample of images ``(N, 3, S, S)`` in [0, 1].
    """
    layers = list(vae.decoder.layers)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    factor = 2 ** sum(isinstance(layer, nn.Upsample) for layer in layers)
    if convolutions[0].out_channels < 3 * factor**2:
        return
    hidden = torch.cat([vae.encoder.layers(batch) for batch in images.split(64)])
    for layer in layers:
        if isinstance(layer, nn.Upsample):
            factor //= 2
        if layer is convolutions[-1]:
            layer.weight.zero_()
            layer.weight[range(3), range(3), 1, 1] = 1
            layer.bias.zero_()
        elif isinstance(layer, nn.Conv2d):
            pixels = F.pixel_unshuffle(images, factor)
            used = hidden if layer is convolutions[0] else hidden[:, : 12 * factor**2]  # pixels of the level before
            weight, bias = _least_squares(used, pixels, layer.bias is not None)
            layer.weight[: len(weight)] = 0
            layer.weight[: len(weight), : used.shape[1]] = weight
            if layer.bias is not None:
                layer.bias[: len(bias)] = bias
            if layer is convolutions[0] and can_place(vae, images.shape[-1]):
                place_pixels(vae)
                return
        hidden = torch.cat([layer(batch) for batch in hidden.split(64)])


def _least_squares(inputs: Tensor, goals: Tensor, bias: bool) -> tuple[Tensor, Tensor]:
    """Weight ``(T, C, 3, 3)`` and bias ``(T,)`` of the convolution that brings inputs nearest to ``goals``."""
    count = 9 * inputs.shape[1] + bias
    products, moments = torch.zeros(count, count, dtype=torch.float64), torch.zeros(count, goals.shape[1]).double()
    for some, goal in zip(inputs.split(16), goals.split(16), strict=True):
        taps = F.unfold(some, 3, padding=1).transpose(0, 1).flatten(1)  # (9 C, n)
        if bias:
            taps = torch.cat([taps, torch.ones(1, taps.shape[1])])
        products += (taps @ taps.T).double()
        moments += (taps @ goal.transpose(0, 1).flatten(1).T).double()
    products.diagonal().add_(RIDGE * products.trace() / count)
    solved = torch.linalg.solve(products, moments).T.float()  # (T, count)
    weight = solved[:, : count - bias].unflatten(1, (-1, 3, 3))
    return weight, solved[:, -1] if bias else torch.zeros(len(solved))
