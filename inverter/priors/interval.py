"""The part of the noise schedule in which guidance acts; read without torch."""

from __future__ import annotations


def check_interval(interval: tuple[float, float]) -> None:
    """Raise ValueError unless ``guidance_interval`` is ``[low, high]`` with 0 <= low <= high <= 1.

    Source:
        Kynkaanniemi et al., "Applying Guidance in a Limited Interval" (arXiv:2404.07724).
    """
    if any(type(end) not in (int, float) for end in interval) or not 0 <= interval[0] <= interval[1] <= 1:
        raise ValueError(f"guidance_interval is {list(interval)!r}; allowed: [low, high] with 0 <= low <= high <= 1")
