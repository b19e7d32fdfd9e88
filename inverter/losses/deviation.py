"""What features are divided by: each channel's deviation, with one floor for channels that hardly ever fire."""

import torch
from torch import Tensor

LEAST_SHARE = 1e-2
"""Smallest deviation of a channel that counts, as a share of the root mean square over the layer's channels."""


def floor_deviation(std: Tensor) -> Tensor:
    """Deviations of a layer's channels, none below a hundredth of their root mean square.

    A channel that hardly varied would outweigh all others as soon as it does.

    Args:
        std: ``(..., C)``, not negative.
    Returns:
        As ``std`` and positive; 1 where no channel of the layer varies.
    """
    largest = std.amax(-1, keepdim=True)
    typical = largest * (std / largest).square().mean(-1, keepdim=True).sqrt()
    vanishing = torch.finfo(std.dtype).tiny ** 0.5  # whose reciprocal is still a number
    return torch.where(largest > vanishing, torch.maximum(std, LEAST_SHARE * typical), 1.0)
