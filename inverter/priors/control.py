"""Control: how features reach a denoiser, with their places."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class ControlShape:
    """What a denoiser takes; maps are ``(C, h, w)``.

    Args:
        hint: Added to what its first layer makes of the latents.
        residuals: Added to its skip connections, or behind the blocks of a transformer.
        middle: Added to the output of its middle block; None where it has none.
        tokens: ``(K, D)`` of the text in its cross-attention.
    """

    hint: Shape
    residuals: tuple[Shape, ...]
    middle: Shape | None
    tokens: tuple[int, int]


@dataclass(frozen=True)
class Control:
    """Maps ``(B, C, h, w)`` of a :class:`ControlShape`, as far as there are any, and tokens ``(B, N, D)``.

    The tokens are added to those of the text, which is repeated N / K times: attention over a text is the same over
    copies of it, so that zeros change nothing. Where they stand ``in_place_of_text``, there is no other text.
    """

    hint: Tensor | None
    residuals: tuple[Tensor, ...]
    middle: Tensor | None
    tokens: Tensor
    in_place_of_text: bool = False

    def __getitem__(self, index: slice | Tensor) -> Control:
        """Of some images of the batch."""
        return Control(
            None if self.hint is None else self.hint[index],
            tuple(residual[index] for residual in self.residuals),
            None if self.middle is None else self.middle[index],
            self.tokens[index],
            self.in_place_of_text,
        )

    def to(self, dtype: torch.dtype) -> Control:
        """In a dtype."""
        return Control(
            None if self.hint is None else self.hint.to(dtype),
            tuple(residual.to(dtype) for residual in self.residuals),
            None if self.middle is None else self.middle.to(dtype),
            self.tokens.to(dtype),
            self.in_place_of_text,
        )

    def expand(self, batch_size: int) -> Control:
        """Of one image, for so many."""
        return self[torch.zeros(batch_size, dtype=torch.long, device=self.tokens.device)]

    def add_tokens(self, text: Tensor) -> Tensor:
        """Text ``(B, K, D)`` repeated to ``(B, N, D)``, and the tokens."""
        if self.in_place_of_text:
            return self.tokens
        return text.repeat(1, self.tokens.shape[1] // text.shape[1], 1) + self.tokens


def num_tokens(positions: int, text_tokens: int) -> int:
    """Least multiple of the text's tokens that gives each position one."""
    return text_tokens * math.ceil(positions / text_tokens)


@contextmanager
def added_behind(layer: nn.Module, hint: Tensor | None) -> Iterator[None]:
    """Add ``hint``, if there is one, to the output of a layer while the context lasts."""
    if hint is None:
        yield
        return
    handle = layer.register_forward_hook(lambda module, args, output: output + hint.to(output.dtype))
    try:
        yield
    finally:
        handle.remove()


def unet_control_shape(unet: nn.Module, text_tokens: int) -> ControlShape:
    """Of diffusers' ``UNet2DConditionModel``: every skip connection, in the order in which it wants them."""
    config = unet.config
    widths, side = config.block_out_channels, config.sample_size
    layers = config.layers_per_block
    depths = [layers] * len(widths) if isinstance(layers, int) else list(layers)
    residuals: list[Shape] = [(widths[0], side, side)]
    for level, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        residuals += [(width, side, side)] * depth
        if level < len(widths) - 1:
            side = (side + 1) // 2
            residuals.append((width, side, side))
    return ControlShape(
        hint=residuals[0],
        residuals=tuple(residuals),
        middle=(widths[-1], side, side),
        tokens=(text_tokens, config.cross_attention_dim),
    )


def run_unet(
    unet: nn.Module, noisy: Tensor, t: Tensor, text: Tensor, control: Control | None = None, **more: Any
) -> Tensor:
    """Output of a U-Net for noisy latents ``(B, C, h, w)`` at timesteps ``t``, under text ``(B, K, D)`` and control.

    ``more`` is what the U-Net of a family takes beside.
    """
    if control is None:
        return unet(noisy, t, encoder_hidden_states=text, return_dict=False, **more)[0]
    maps: dict[str, Any] = {}
    if control.residuals:
        maps = {"down_block_additional_residuals": control.residuals, "mid_block_additional_residual": control.middle}
    with added_behind(unet.conv_in, control.hint):
        return unet(noisy, t, encoder_hidden_states=control.add_tokens(text), return_dict=False, **maps, **more)[0]
