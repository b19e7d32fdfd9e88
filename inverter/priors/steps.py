"""Parts of the noise schedule: where guidance acts, and how many steps a strength leaves; read without torch."""

from __future__ import annotations

import math


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
