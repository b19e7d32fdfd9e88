"""White-box methods by name: what the loop runs for each, and what each needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inverter.config import MethodsConfig
from inverter.run.registry import Registry
from inverter.whitebox.phase import Phase


@dataclass(frozen=True)
class WhiteboxMethod:
    """A white-box method, registered in the file of its phases.

    Args:
        phases: Of its section of the configuration (None where it has none), the numbers that travel for an image and
            the picture's side in pixels: what the loop runs in turn.
        needs_prior: Whether it searches in a prior's latents; else ``image_size`` may be any.
        prompted: Whether text conditions it.
        starts_at_inverter: Of its section: whether it begins where a black-box inverter ends, if there is one.
    """

    phases: Callable[[Any, int, int], list[Phase]]
    needs_prior: bool = True
    prompted: bool = True
    starts_at_inverter: Callable[[Any], bool] = lambda section: False


METHODS: Registry[WhiteboxMethod] = Registry("method", "inverter.whitebox.methods")


def starts_at_inverter(method: str, config: MethodsConfig) -> bool:
    """Whether a method with these settings begins where a black-box inverter ends, if there is one."""
    return METHODS[method].starts_at_inverter(getattr(config, method, None))
