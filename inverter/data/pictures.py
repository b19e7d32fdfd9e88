"""Pictures of any mode to square RGB of one size, with or without seeded augmentation."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import torch
from einops import rearrange
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms import v2

from inverter.config.errors import one_line

log = logging.getLogger(__name__)
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


def read_picture(file: Path | IO[bytes], name: str) -> Image.Image:
    """Decode a picture to 8-bit RGB, turned as its EXIF says; of an animated one the first frame, with a warning.

    Raises:
        ValueError: ``file`` (called ``name`` in the message) is no picture that can be read.
    """
    try:
        with Image.open(file, formats=FORMATS) as picture:  # other formats' decoders start programs
            if picture.format in ("PNG", "WEBP") and getattr(picture, "is_animated", False):
                log.warning("picture %s is animated: its first frame alone is taken", name)
            return to_rgb(picture)
    except UnidentifiedImageError as error:
        raise ValueError(f"picture {name} is none; allowed: {', '.join(FORMATS)}") from error
    except Exception as error:  # decoders of damaged files fail with errors of many classes
        raise ValueError(f"picture {name} cannot be read: {one_line(error)}") from error


def to_rgb(picture: Image.Image) -> Image.Image:
    """8-bit RGB of a grey, 16-bit, palette, CMYK or transparent (laid on white) picture."""
    turned = ImageOps.exif_transpose(picture)
    if turned.mode in ("I", "F") or turned.mode.startswith("I;16"):  # 16-bit grey; convert() would clip it
        values = np.asarray(turned).astype(np.float64).clip(0, 65535)
        return Image.fromarray(np.round(values / 257).astype(np.uint8)).convert("RGB")
    if turned.has_transparency_data:
        layer = turned.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return turned.convert("RGB")


def square(picture: Image.Image, size: int) -> Image.Image:
    """Centre square of a picture, resized with antialiasing to ``size`` pixels a side."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    if picture.size == (size, size):
        return picture
    return picture.resize((size, size), Image.Resampling.LANCZOS, box=box)


def mirrors(seed: int) -> bool:
    """Whether an augmentation mirrors the picture; its text then changes sides, see :func:`swap_sides`."""
    return seed % 2 == 1


def swap_sides(text: str) -> str:
    """The text of a mirrored picture: left becomes right and right left."""
    return re.sub(r"\b(left|right)\b", lambda word: {"left": "right", "right": "left"}[word[0]], text)


def jitter(picture: Image.Image, size: int, seed: int) -> Image.Image:
    """Random crop (60 % of the area or more), mirror, brightness, contrast, saturation, gamma; ``size`` pixels wide."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transform = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.6, 1.0), interpolation=v2.InterpolationMode.BICUBIC),
                v2.RandomHorizontalFlip(float(mirrors(seed))),
                v2.ColorJitter(brightness=0.25, contrast=0.25, saturation=0.25),
            ]
        )
        gamma = float(torch.empty(1).uniform_(-0.25, 0.25).exp())
        return v2.functional.adjust_gamma(transform(picture), gamma)


def vary(picture: Image.Image, size: int, seed: int) -> Image.Image:
    """What other cameras and senders would have made of a picture: an inverter must not know one data set alone.

    Every second is mirrored. Half stay as they are otherwise: crops that were enlarged are smoother than pictures, and
    an inverter of such alone stays behind on pictures. Of the others half are a random crop (35 % of the area or more),
    most have another brightness, contrast, saturation, hue and gamma, a sixth is blurred, a third went through JPEG of
    quality 30 to 95.
    """
    mirror = v2.RandomHorizontalFlip(float(mirrors(seed)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if float(torch.rand(())) < 0.5:
            return mirror(square(picture, size))
        crop = v2.RandomResizedCrop(size, scale=(0.35, 1.0), interpolation=v2.InterpolationMode.BICUBIC)
        colour = v2.ColorJitter(brightness=0.35, contrast=0.35, saturation=0.4, hue=0.04)
        transform = v2.Compose(
            [
                v2.RandomChoice([crop, v2.Lambda(lambda whole: square(whole, size))]),
                mirror,
                v2.RandomApply([colour], p=0.7),
                v2.PILToTensor(),
                v2.RandomApply([v2.GaussianBlur(5, sigma=(0.3, 1.2))], p=1 / 6),
                v2.RandomApply([v2.JPEG((30, 95))], p=1 / 3),
                v2.ToPILImage(),
            ]
        )
        gamma = float(torch.empty(1).uniform_(-0.25, 0.25).exp())
        return v2.functional.adjust_gamma(transform(picture), gamma)


AUGMENTS: dict[str, Callable[[Image.Image, int, int], Image.Image]] = {
    "none": lambda picture, size, seed: square(picture, size),
    "jitter": jitter,
    "vary": vary,
}
"""Ways to make a training picture of ``size`` pixels a side of a picture, by name."""


def to_tensor(picture: Image.Image) -> Tensor:
    """``(3, H, W)`` uint8 of an RGB picture."""
    return rearrange(torch.from_numpy(np.array(picture)), "h w c -> c h w").contiguous()
