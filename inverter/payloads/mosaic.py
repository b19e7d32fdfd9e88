"""Features as one grey picture, and coded as one."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from inverter.payloads.payload import Coding, Sent, StraightThrough, read_int


class Mosaic(Coding):
    """An image's features tiled into one grey 8-bit picture, coded, decoded and laid back; the gradient passes straight
    through.

    The channels of a map are tiles in row-major order, about as many across as down; tokens over a square grid are laid
    out as such a map of D channels, others as a picture N high and D wide; a vector is one picture in row-major order.
    Levels span the image's own range. Bytes are those of the coded picture with its headers, and the range as two
    float32.

    Args:
        quality: Of the codec, from 1 to 100.
    """

    knows = "all of it: the picture travels, with its range"
    whole = True
    codec: ClassVar[str]
    """As Pillow calls it."""
    options: ClassVar[dict[str, Any]] = {}
    longest: ClassVar[int]
    """Side in pixels that the codec can hold."""
    label: ClassVar[str]

    def __init__(self, quality: int) -> None:
        super().__init__()
        self.name, self.quality = f"{self.label}:{quality}", quality

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Mosaic:
        return cls(read_int("Q", argument, 1, 100))

    def check(self, shape: Sequence[int]) -> None:
        _, height, width = _tiles(shape)
        if max(height, width) > self.longest:
            raise ValueError(
                f"payload={self.name}: features {tuple(shape)} make a picture of {height} x {width} pixels; "
                f"allowed: at most {self.longest} a side"
            )

    def transmit(self, sent: Sent) -> Sent:
        self.check(sent.features.shape[1:])
        rows = [self._code(image) for image in sent.features.detach().float().cpu()]
        arrived = torch.stack([image for image, _ in rows]).to(sent.features)
        codes = [code for _, code in rows]
        return Sent(StraightThrough.apply(sent.features, arrived), lambda: codes)

    def _code(self, features: Tensor) -> tuple[Tensor, bytes]:
        """What arrives of one image's features, and its bytes; nothing where they are not finite."""
        if not features.isfinite().all():
            return torch.full_like(features, torch.nan), b""
        low, high = features.min(), features.max()
        step = ((high - low) / 255).clamp_min(torch.finfo(torch.float32).tiny)
        levels = tile(torch.round((features - low) / step).clamp(0, 255)).byte()
        pixels, code = self._code_picture(levels.numpy())
        arrived = low + untile(torch.from_numpy(pixels).float(), features.shape) * step
        return arrived, struct.pack("<2f", low, high) + code

    def _code_picture(self, levels: np.ndarray) -> tuple[np.ndarray, bytes]:
        """What arrives of a grey picture ``(H, W)`` uint8, and its bytes."""
        stream = io.BytesIO()
        Image.fromarray(levels).save(stream, self.codec, quality=self.quality, **self.options)
        with Image.open(stream, formats=[self.codec]) as picture:
            return np.array(picture.convert("L")), stream.getvalue()


def tile(features: Tensor) -> Tensor:
    """One image's features as a picture ``(H, W)``; where there is nothing it is 0."""
    (channels, height, width), full_height, full_width = _tiles(features.shape)
    tiles = _as_map(features).reshape(channels, height, width)
    across, down = full_width // width, full_height // height
    padded = torch.cat([tiles, tiles.new_zeros(across * down - channels, height, width)])
    return rearrange(padded, "(down across) h w -> (down h) (across w)", down=down)


def untile(picture: Tensor, shape: Sequence[int]) -> Tensor:
    """The features ``shape`` that :func:`tile` laid out."""
    (channels, height, width), _, _ = _tiles(shape)
    tiles = rearrange(picture, "(down h) (across w) -> (down across) h w", h=height, w=width)[:channels]
    if len(shape) == 2 and channels == shape[1]:  # tokens over a grid
        return tiles.flatten(1).T.contiguous()
    return tiles.reshape(tuple(shape))


def _as_map(features: Tensor) -> Tensor:
    (channels, _, _), _, _ = _tiles(features.shape)
    return features.T if features.ndim == 2 and channels == features.shape[1] else features


def _tiles(shape: Sequence[int]) -> tuple[tuple[int, int, int], int, int]:
    """Number, height and width of tiles, and height and width of the picture."""
    if len(shape) == 2:
        side = math.isqrt(shape[0])
        if side * side != shape[0]:
            return (1, shape[0], shape[1]), shape[0], shape[1]
        channels, height, width = shape[1], side, side
    else:
        channels, height, width = (*shape, 1, 1)[:3]
    across = math.isqrt(channels - 1) + 1
    down = -(-channels // across)
    return (channels, height, width), down * height, across * width
