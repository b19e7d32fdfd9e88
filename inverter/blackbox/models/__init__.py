"""Black-box models by name: what ``train`` makes of pairs, one a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inverter.blackbox.pair_module import PairModule
from inverter.config import TrainConfig
from inverter.data.manifest import Manifest
from inverter.run.registry import Registry

MODELS: Registry[Callable[[TrainConfig, Sequence[Manifest]], PairModule]] = Registry(
    "model.kind", "inverter.blackbox.models"
)
"""By ``model.kind`` the builder of a fresh module for the pairs of one manifest, or of several."""
