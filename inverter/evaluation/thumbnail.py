"""What is kept of every image for the report and for searches."""

import torch.nn.functional as F
from torch import Tensor

from inverter.losses.quality import to_bytes

THUMBNAIL_SIDE = 128


def to_thumbnails(images: Tensor) -> Tensor:
    """``to_bytes`` at no more than 128 pixels a side."""
    side = max(images.shape[-2:])
    if side > THUMBNAIL_SIDE:
        size = [round(length * THUMBNAIL_SIDE / side) for length in images.shape[-2:]]
        images = F.interpolate(images, size, mode="area")
    return to_bytes(images)
