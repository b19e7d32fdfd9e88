"""What a defence adds where a network is cut: one module a file, registered, built from plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from inverter.run.registry import Registry
from inverter.targets.shape import Shape


class Cut(nn.Module):
    """Two halves: what the device does to a layer's features before they travel, and what the server undoes of it."""

    def send(self, features: Tensor) -> Tensor:
        """What travels ``(B, ...)`` of features ``(B, *shape)``."""
        raise NotImplementedError

    def receive(self, arrived: Tensor) -> Tensor:
        """Features ``(B, *shape)``, which the server's half goes on with, of what arrives."""
        return arrived

    def start(self, features: Tensor) -> None:
        """Choose weights to begin a training with from features ``(N, *shape)`` of an undefended device."""


CUTS: Registry[Callable[[Shape, Mapping[str, Any]], Cut]] = Registry("cut", "inverter.targets.cuts")
"""By kind: shape of the layer's features of one image, and settings, to fresh modules."""


def make_cut(values: Mapping[str, Any], shape: Shape) -> Cut:
    """Modules of a cut.

    Args:
        values: ``kind``, and the settings of this kind.
        shape: Of the layer's features of one image.
    Raises:
        ValueError: An unknown kind, or settings that are not allowed.
    """
    settings = dict(values)
    kind = settings.pop("kind", None)
    try:
        return CUTS[str(kind)](shape, settings)
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"cut={dict(values)!r} cannot be built for features {shape}: {error}") from error
