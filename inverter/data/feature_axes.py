"""What the axes of captured features are: stated by a word such as ``BCHW``, or told by a layer's shape."""

from __future__ import annotations

from itertools import pairwise

from einops import rearrange
from torch import Tensor

from inverter.targets.shape import JOINT

AXES = ("CHW", "HWC", "ND", "D", "BCHW", "BHWC", "BND", "BD")
"""Batch, channels, height, width; tokens ``ND`` and vectors ``D`` with their width last."""
SEVERAL = "; of several images, feature_axes={} says so"


def is_batched(axes: str | None) -> bool:
    """Whether a file holds several images."""
    return axes is not None and axes.startswith("B")


def split_axes(axes: str | None, num_layers: int) -> list[str | None]:
    """Axes of each layer.

    Raises:
        ValueError: Unknown axes, not as many as layers, or a batch in some of them only.
    """
    words = [None] if axes is None else axes.split(JOINT)
    batched = {is_batched(word) for word in words}
    if len(batched) > 1 or len(words) not in (1, num_layers) or not {*words} <= {None, *AXES}:
        several = ", or those of each layer joined by +, with a batch in all or none" if num_layers > 1 else ""
        raise ValueError(f"feature_axes={axes!r}; allowed: {', '.join(AXES)}{several}")
    return words * num_layers if len(words) == 1 else words  # type: ignore[return-value]


def arrange(features: Tensor, axes: str, holder: str) -> Tensor:
    """Features with their channels before height and width.

    Args:
        features: As they were read.
        axes: One of ``AXES``.
        holder: Begins the message: what holds them.
    Raises:
        ValueError: Another number of axes.
    """
    if features.ndim != len(axes):
        raise ValueError(f"{holder} {tuple(features.shape)}; feature_axes={axes} says {len(axes)} axes")
    return rearrange(features, "... h w c -> ... c h w").contiguous() if axes.endswith("HWC") else features


def check_order(shape: tuple[int, ...], holder: str) -> None:
    """Raise ValueError where nothing but the user can say whether a map's channels come first or last."""
    if len(shape) == 3 and shape[0] > 1 and all(one == two for one, two in pairwise(shape)):
        raise ValueError(f"{holder} {shape}, whose channels may come first or last; set feature_axes=CHW or HWC")


def unbatched(features: Tensor) -> Tensor:
    """A map ``(C, h, w)`` out of a batch of one; anything else as it is."""
    return features[0] if features.ndim == 4 and len(features) == 1 else features


def possible_shapes(shape: tuple[int, ...]) -> dict[tuple[int, ...], str]:
    """Shapes that one image's features may have which lie in an array of this shape, and what each means.

    More than one where axes do not say what they are: a first axis of 1 may be the batch, and a map whose sides differ
    may hold its channels first or last.

    Args:
        shape: Of an array of 1 to 3 axes.
    """
    shapes = {shape: {1: "a vector", 2: "tokens", 3: "a map, channels first"}[len(shape)]}
    if len(shape) > 1 and shape[0] == 1:
        shapes |= {inner: f"{what} in a batch of one" for inner, what in possible_shapes(shape[1:]).items()}
    elif len(shape) == 3 and shape[1] != shape[2]:
        shapes[(shape[2], *shape[:2])] = "a map, channels last"
    return shapes


def fit(features: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Features of one image as ``shape``; None where they do not have it.

    A batch of one loses its axis, and a channels-last map is turned.

    Args:
        features: As they were read.
        shape: What the layer gives for one image.
    """
    while tuple(features.shape) != shape and features.ndim > 1 and len(features) == 1:
        features = features[0]
    if tuple(features.shape) == shape:
        return features
    turned = features.ndim == 3 and (features.shape[2], *features.shape[:2]) == shape
    return rearrange(features, "h w c -> c h w").contiguous() if turned else None


def several_advice(given: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """How to say that an array holds several images; ``""`` where it does not seem to."""
    axes = {1: "BD", 2: "BND", 3: "BCHW"}[len(shape)]
    return SEVERAL.format(axes) if given[1:] == shape else ""
