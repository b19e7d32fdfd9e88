"""What sampling is told: prompts, generators, where guidance acts, and how many steps a strength leaves."""

from __future__ import annotations

import math
from typing import Any


def check_prompts(prompts: Any) -> None:
    """Raise ValueError unless prompts are a list of texts, one or more."""
    if not isinstance(prompts, list | tuple) or not prompts or not all(isinstance(text, str) for text in prompts):
        raise ValueError(f"prompts={prompts!r}; allowed: a list of texts, one an image")


def check_generator(generator: Any) -> None:
    """Raise ValueError unless it is a generator of torch's, or a list of such, or None."""
    import torch  # steps are also counted where it is not loaded

    given = generator if isinstance(generator, list | tuple) else [generator]
    if generator is not None and not all(isinstance(each, torch.Generator) for each in given):
        raise ValueError(f"generator={generator!r}; allowed: torch.Generator().manual_seed(SEED), or one an image")


def check_interval(interval: tuple[float, float]) -> None:
    """Raise ValueError unless ``guidance_interval`` is ``[low, high]`` with 0 <= low <= high <= 1.

    Source:
        Kynkaanniemi et al., "Applying Guidance in a Limited Interval" (arXiv:2404.07724).
    """
    if any(type(end) not in (int, float) for end in interval) or not 0 <= interval[0] <= interval[1] <= 1:
        raise ValueError(f"guidance_interval is {list(interval)!r}; allowed: [low, high] with 0 <= low <= high <= 1")


def count_steps(num_inference_steps: int, strength: float) -> int:
    """Steps that ``strength`` of a schedule leaves to run; one that is whole but for rounding counts."""
    return min(int(strength * num_inference_steps + 1e-6), num_inference_steps)


def least_strength(num_inference_steps: int) -> float:
    """Strength that leaves a step to run: the least one of three digits."""
    return math.ceil(1000 / num_inference_steps) / 1000
