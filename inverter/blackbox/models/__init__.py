"""Black-box models by name: what ``train`` makes of pairs, one a file, which imports its network when it is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inverter.config.kinds import KindConfig
from inverter.run.registry import Registry

if TYPE_CHECKING:
    from inverter.blackbox.config import TrainConfig
    from inverter.blackbox.pair_module import PairModule
    from inverter.data.manifest import Manifest
    from inverter.priors.prior import DiffusionPrior


@dataclass
class ModelConfig(KindConfig):
    """Section ``model`` of a training; a model with settings of its own has a subclass in its file."""

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        return MODELS.names()

    @classmethod
    def of_kind(cls, kind: str) -> ModelConfig:
        return MODELS[kind].config(kind=kind)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


@dataclass(frozen=True)
class BlackboxModel:
    """A black-box model, registered in a file of its own.

    Args:
        build: A fresh module from a config, the manifests of the pairs (the first, and those of ``data.also``), and
            what loads the config's prior.
        config: Its section of the configuration.
    """

    build: Callable[[TrainConfig, Sequence[Manifest], Callable[[], DiffusionPrior]], PairModule]
    config: type[ModelConfig] = ModelConfig


MODELS: Registry[BlackboxModel] = Registry("model.kind", "inverter.blackbox.models")
