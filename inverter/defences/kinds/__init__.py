"""Defences by name: how ``defend`` trains the device's half, one a file, which imports its module when it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inverter.config.kinds import KindConfig
from inverter.config.values import CHAIN
from inverter.run.registry import Registry

if TYPE_CHECKING:
    from inverter.defences.config import DefendConfig
    from inverter.defences.module import DefenceModule
    from inverter.targets.split import Split


@dataclass
class DefenceConfig(KindConfig):
    """Section ``defence`` of a training; a defence with settings of its own has a subclass in its file."""

    payload: str = field(default="identity", metadata=CHAIN)  # trained with and sent, before target.payload
    tune_server: bool = False  # train the server's half too
    label_weight: float = 0.0  # of the cross-entropy of the pictures' labels; needs data.labels

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        return DEFENCES.names()

    @classmethod
    def of_kind(cls, kind: str) -> DefenceConfig:
        return DEFENCES[kind].config(kind=kind)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


@dataclass(frozen=True)
class Defence:
    """A defence, registered in a file of its own.

    Args:
        build: A fresh module from a config and the undefended target.
        config: Its section of the configuration.
    """

    build: Callable[[DefendConfig, Split], DefenceModule]
    config: type[DefenceConfig] = DefenceConfig


DEFENCES: Registry[Defence] = Registry("defence.kind", "inverter.defences.kinds")


def check_above(settings: DefenceConfig, low: float, *names: str) -> None:
    """Raise ValueError where a setting is not above ``low``, or not finite."""
    for name in names:
        if not low < (value := getattr(settings, name)) < float("inf"):
            raise ValueError(f"defence.{name}={value}; allowed: above {low:g}")
