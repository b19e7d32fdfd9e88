"""Frozen networks tapped at one layer; ``import inverter.targets.spec`` stays free of torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inverter.targets.classifier import Classifier as Classifier
    from inverter.targets.classifier import load_classifier as load_classifier
    from inverter.targets.layers import LayerInfo as LayerInfo
    from inverter.targets.layers import list_layers as list_layers
    from inverter.targets.load import load_target as load_target
    from inverter.targets.load import load_targets as load_targets
    from inverter.targets.spec import TargetSpec as TargetSpec
    from inverter.targets.target import MultiTarget as MultiTarget
    from inverter.targets.target import Target as Target

_HOMES = {
    "Classifier": "classifier",
    "LayerInfo": "layers",
    "MultiTarget": "target",
    "Target": "target",
    "TargetSpec": "spec",
    "list_layers": "layers",
    "load_classifier": "classifier",
    "load_target": "load",
    "load_targets": "load",
}

__all__ = [
    "Classifier",
    "LayerInfo",
    "MultiTarget",
    "Target",
    "TargetSpec",
    "list_layers",
    "load_classifier",
    "load_target",
    "load_targets",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
