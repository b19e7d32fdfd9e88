"""What images have to be: a tensor of floating point in [0, 1]."""

from __future__ import annotations

import logging
from typing import Any

from torch import Tensor

log = logging.getLogger(__name__)
MARGIN = 0.1
"""How far images may leave [0, 1] before it is said."""


class ImageCheck:
    """Refuses what are no images, and says once that images are of another range.

    Args:
        taker: What takes the images, for the message.
    """

    def __init__(self, taker: str) -> None:
        self.taker, self.warned = taker, False

    def __call__(self, images: Any) -> None:
        """Check images ``(B, 3, H, W)``; those that are being optimised may leave their range.

        Raises:
            ValueError: No tensor, another shape, empty, or integers.
        """
        if not isinstance(images, Tensor):
            raise ValueError(f"images is a {type(images).__name__}; allowed: a tensor (B, 3, H, W) in [0, 1]")
        if images.ndim != 4 or images.shape[1] != 3 or images.numel() == 0:
            raise ValueError(f"images of shape {tuple(images.shape)} must be (B, 3, H, W), none of them 0")
        if not images.is_floating_point():
            raise ValueError(f"images of dtype {images.dtype} must be floating point, in [0, 1]")
        if self.warned or images.requires_grad or images.is_meta:
            return
        low, high = (float(edge) for edge in images.detach().aminmax())
        if low < -MARGIN or high > 1 + MARGIN:
            self.warned = True
            lie = f"images lie in [{low:.3g}, {high:.3g}]"
            log.warning("%s; %s takes images in [0, 1], and does not clip", lie, self.taker)
