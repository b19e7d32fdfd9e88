"""What one pass of the denoiser costs, counted on a picture and not estimated."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

GIGA = 1_000_000_000


def count_macs(unet: nn.Module, latent_shape: tuple[int, int, int], conditioning_shape: tuple[int, int]) -> int:
    """Multiply-adds of the matrix products and convolutions of one forward pass on one latent.

    Args:
        unet: Denoiser of latents ``(B, C, h, w)`` under conditioning ``(B, K, D)``.
        latent_shape: ``(C, h, w)``.
        conditioning_shape: ``(K, D)``.
    """
    device = next(unet.parameters()).device
    latents, text = torch.zeros(1, *latent_shape, device=device), torch.zeros(1, *conditioning_shape, device=device)
    t = torch.zeros(1, dtype=torch.long, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        unet(latents, t, encoder_hidden_states=text)
    return counter.get_total_flops() // 2  # a multiply-add is two operations


def check_macs(macs: int, max_gmac: float | None) -> None:
    """Raise ValueError where a forward pass costs more than it may."""
    if max_gmac is not None and macs > max_gmac * GIGA:
        raise ValueError(
            f"the denoiser takes {macs / GIGA:.3f} GMAC a forward pass; max_gmac allows {max_gmac}: take smaller widths"
        )
