"""Reconstruct images from a network's features with a latent diffusion prior, and measure how much leaked."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
_EXPORTS = {
    "Attack": "inverter.whitebox.attack",
    "Inverter": "inverter.blackbox.inverter",
    "MethodsConfig": "inverter.whitebox.config",
    "Target": "inverter.targets",
    "evaluate": "inverter.evaluation",
    "load_inverter": "inverter.blackbox.load",
    "load_prior": "inverter.priors.load",
    "load_target": "inverter.targets",
    "load_targets": "inverter.targets",
}
__all__ = [*_EXPORTS, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'inverter' has no attribute {name!r}; public names: {', '.join(__all__)}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
