"""Distances between features of one layer; every function gives one value per image.

Channels are dimension 1 of a map ``(B, C, h, w)``, the last dimension of tokens ``(B, N, D)`` and vectors ``(B, D)``.
"""

import torch.nn.functional as F
from torch import Tensor


def feature_cosine(recon_features: Tensor, features: Tensor) -> Tensor:
    """Cosine similarity over channels at each position or token, averaged over positions.

    Args:
        recon_features: ``(B, C, h, w)``, ``(B, N, D)`` or ``(B, D)``.
        features: As ``recon_features``.
    Returns:
        ``(B,)`` in [-1, 1]; 1 minus it is a loss. A position where either is all zero counts 0.
    Raises:
        ValueError: Shapes differ.
    """
    dim = _channel_dim(recon_features, features)
    return F.cosine_similarity(recon_features, features, dim=dim).reshape(len(features), -1).mean(1)


def _channel_dim(recon_features: Tensor, features: Tensor) -> int:
    if recon_features.shape != features.shape or not 2 <= features.ndim <= 4:
        raise ValueError(
            f"recon_features {tuple(recon_features.shape)} and features {tuple(features.shape)} must have one shape: "
            "(B, C, h, w), (B, N, D) or (B, D)"
        )
    return 1 if features.ndim == 4 else features.ndim - 1
