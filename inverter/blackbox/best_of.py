"""Best of N: draw several pictures and keep the one whose features fit best, by the target's word or a surrogate's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from inverter.blackbox.inverter import Inverter

SEARCH = (0.8, 0.6)
"""Shares of the noise schedule that the best picture so far is renoised to, one a round of the search."""


def best_of(
    inverter: Inverter,
    query: Callable[[Tensor], Tensor],
    features: Tensor,
    draws: int,
    *,
    rounds: int = 0,
) -> Tensor:
    """Draw, query once a picture, and keep the nearest; then draw again around the best.

    Distance is the cosine of the standardised features. Each round of the search renoises the best picture's latents
    to a share of the schedule (:data:`SEARCH`, in turn) and draws ``draws`` more under the same control. The noise
    comes from PyTorch's own generator on the CPU.

    Args:
        inverter: Of the features.
        query: Images ``(B, 3, S, S)`` in [0, 1] to their features: the target as the attacker may ask it, or a
            surrogate that the attacker has trained on its own pairs.
        features: ``(B, *feature_shape)``.
        draws: Pictures a round, 1 or more.
        rounds: Of the search after the first draws; 0 is none. A picture costs ``draws * (1 + rounds)`` queries.
    Returns:
        Images ``(B, 3, S, S)`` in [0, 1].
    Raises:
        ValueError: ``draws`` is below 1 or ``rounds`` below 0.
    """
    if draws < 1:
        raise ValueError(f"best_of is {draws}; allowed: 1 or more draws")
    if rounds < 0:
        raise ValueError(f"search_rounds is {rounds}; allowed: 0 or more")
    encoding = inverter.encode(features)
    latents = encoding.latents.float()
    goal = inverter.conditioner.standardise(features).flatten(1)
    best_image = features.new_zeros(len(features), 3, inverter.spec.resolution, inverter.spec.resolution)
    best_latents, best = latents, features.new_full((len(features),), -torch.inf)
    for number in range(1 + rounds):
        strength = None if number == 0 else SEARCH[(number - 1) % len(SEARCH)]
        start = best_latents
        for _ in range(draws):
            drawn = inverter.draw(None, start, encoding.control, strength=strength)
            image = inverter.prior.decode(drawn)
            standardised = inverter.conditioner.standardise(query(image)).flatten(1)
            fit = F.cosine_similarity(standardised, goal, dim=1)
            better = fit > best
            best = torch.where(better, fit, best)
            shown = rearrange(better, "b -> b 1 1 1")
            best_latents = torch.where(shown, drawn, best_latents)
            best_image = torch.where(shown, image, best_image)
    return best_image
