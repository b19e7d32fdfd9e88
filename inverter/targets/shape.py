"""Shapes of features: one layer's map, tokens or vector, or those of several layers that travel as one vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]
FeatureShape = Shape | tuple[Shape, ...]
"""Of one image: ``(C, h, w)``, ``(N, D)`` or ``(D,)``; of joint layers one such shape a layer."""
JOINT = "+"
"""Between the names of joint layers: ``blocks.2+blocks.6``."""


def layer_names(layer: str) -> list[str]:
    """Dotted names of the layers that ``layer`` joins; one alone is itself.

    Raises:
        ValueError: A name is empty or occurs twice.
    """
    names = layer.split(JOINT)
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"layer={layer!r}; allowed: a dotted name, or several, each once, such as blocks.2+blocks.6")
    return names


def layer_shapes(feature_shape: FeatureShape) -> tuple[Shape, ...]:
    """One shape a layer."""
    return feature_shape if is_joint(feature_shape) else (feature_shape,)  # type: ignore[return-value]


def is_joint(feature_shape: FeatureShape) -> bool:
    """Whether it is of several layers."""
    return bool(feature_shape) and isinstance(feature_shape[0], tuple)


def tensor_shape(feature_shape: FeatureShape) -> Shape:
    """Shape of the tensor that holds one image's features: joint layers are flattened and follow each other."""
    if is_joint(feature_shape):
        return (sum(map(math.prod, layer_shapes(feature_shape))),)
    return feature_shape  # type: ignore[return-value]


def channel_axis(shape: Shape) -> int:
    """Axis of the channels in one image's features of a layer: first of ``(C, h, w)``, else the last."""
    return 0 if len(shape) == 3 else len(shape) - 1


def num_channels(feature_shape: FeatureShape) -> int:
    """Number of channels: C of ``(C, h, w)``, D of ``(N, D)`` and ``(D,)``; of joint layers their sum."""
    return sum(shape[channel_axis(shape)] for shape in layer_shapes(feature_shape))


def describe_shape(feature_shape: FeatureShape, by: str = " x ") -> str:
    """Such as ``24 x 56 x 56``, or ``24 x 56 x 56 + 320 x 7 x 7``."""
    return " + ".join(by.join(map(str, shape)) for shape in layer_shapes(feature_shape))


def to_lists(feature_shape: FeatureShape) -> list[int] | list[list[int]]:
    """For JSON and YAML; ``from_lists`` reads it back."""
    return [list(size) if isinstance(size, tuple) else size for size in feature_shape]  # type: ignore[return-value]


def from_lists(sizes: Sequence) -> FeatureShape:
    """Inverse of ``to_lists``; what is no shape comes out as it is, for whoever checks it."""
    return tuple(tuple(size) if isinstance(size, list) else size for size in sizes)


def read_shape(value: object) -> FeatureShape:
    """A shape, or its lists, as a ``FeatureShape``.

    Raises:
        ValueError: It is none.
    """
    shape = from_lists(value) if isinstance(value, list | tuple) else value
    if not is_feature_shape(shape):
        raise ValueError(f"feature_shape={value!r} must hold 1 to 3 positive integers")
    return shape  # type: ignore[return-value]


def is_feature_shape(value: object) -> bool:
    """Whether a value is a ``FeatureShape``."""
    if not isinstance(value, tuple):
        return False
    shapes = value if any(isinstance(size, tuple) for size in value) else (value,)
    return all(isinstance(shape, tuple) and 1 <= len(shape) <= 3 and all(map(is_count, shape)) for shape in shapes)


def is_count(value: object) -> bool:
    """Whether a value is a positive integer."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def split_features(features: Tensor, feature_shape: FeatureShape) -> list[Tensor]:
    """Features ``(B, *tensor_shape(feature_shape))`` by layer, ``(B, *shape)`` each."""
    if not is_joint(feature_shape):
        return [features]
    shapes = layer_shapes(feature_shape)
    parts = features.split([math.prod(shape) for shape in shapes], 1)
    return [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)]


def join_features(parts: Sequence[Tensor]) -> Tensor:
    """Features ``(B, ...)`` of each layer as one tensor: as it is where there is one, else flat ``(B, D)``."""
    if len(parts) == 1:
        return parts[0]
    import torch

    return torch.cat([part.flatten(1) for part in parts], 1)


def split_channels(values: Tensor, feature_shape: FeatureShape) -> Sequence[Tensor]:
    """One value a channel, ``(C,)``, by layer."""
    return values.split([num_channels(shape) for shape in layer_shapes(feature_shape)])


def along_channels(values: Tensor, feature_shape: FeatureShape) -> Tensor:
    """One value a channel, ``(C,)``, in a shape that broadcasts over features ``(B, ...)``."""
    shapes, parts = layer_shapes(feature_shape), split_channels(values, feature_shape)
    shaped = [part.view(-1, 1, 1) if len(shape) == 3 else part for part, shape in zip(parts, shapes, strict=True)]
    if not is_joint(feature_shape):
        return shaped[0]
    return join_features([part.expand(shape)[None] for part, shape in zip(shaped, shapes, strict=True)])[0]
