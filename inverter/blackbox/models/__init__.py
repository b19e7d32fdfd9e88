"""Black-box models by name: what ``train`` makes of pairs, one a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inverter.blackbox.pair_module import PairModule
from inverter.config import TrainConfig
from inverter.data.manifest import Manifest
from inverter.priors.prior import DiffusionPrior
from inverter.run.registry import Registry

Build = Callable[[TrainConfig, Sequence[Manifest], Callable[[], DiffusionPrior]], PairModule]
"""A fresh module from a config, the manifests of the pairs (the first, and those of ``data.also``), and what loads the
config's prior."""

MODELS: Registry[Build] = Registry("model.kind", "inverter.blackbox.models")
