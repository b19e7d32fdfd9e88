"""What an attack is after: features at one layer or several, and how far a picture's features are from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from inverter.losses.deviation import floor_deviation
from inverter.losses.feature import feature_cosine
from inverter.targets.shape import channel_axis, num_channels, split_features
from inverter.targets.target import MultiTarget, Target

DISTANCES = ("mse", "sum", "cosine")

Query = Callable[[Tensor], dict[str, Tensor]]
"""Images ``(B, 3, H, W)`` in [0, 1] to features by layer: a ``MultiTarget``."""


class Goal:
    """Features to match, and the distance that is minimised; the mean over layers.

    Args:
        query: The target; every call is one query an image, the backward pass that follows belongs to it.
        features: By layer, ``(B, C, h, w)``, ``(B, N, D)`` or ``(B, D)``.
        distance: ``mse`` in units of each channel's deviation, ``sum`` of plain squared differences (the paper's), or
            ``cosine``: 1 minus the similarity over channels at each position or token.
        std: By layer, each channel's deviation ``(C,)``. A layer that is not there is normalised by its own features,
            image by image: over positions or tokens, over everything for a vector.
    Raises:
        ValueError: An unknown distance, features that are not finite, or ``std`` of another length.
    """

    def __init__(
        self,
        query: Query,
        features: Mapping[str, Tensor],
        distance: str = "mse",
        std: Mapping[str, Tensor] | None = None,
    ) -> None:
        if distance not in DISTANCES:
            raise ValueError(f"distance is {distance!r}; allowed: {', '.join(DISTANCES)}")
        for layer, values in features.items():
            if not values.isfinite().all():
                raise ValueError(f"features of {layer} hold NaN or infinity; allowed: finite numbers")
        self.query, self.features, self.distance = query, dict(features), distance
        given = std or {}
        self.scale = {layer: channel_scale(values, given.get(layer)) for layer, values in self.features.items()}

    def __len__(self) -> int:
        return len(next(iter(self.features.values())))

    def select(self, index: Tensor) -> Goal:
        """The goal of some of the images."""
        chosen = object.__new__(Goal)
        chosen.query, chosen.distance = self.query, self.distance
        chosen.features = {layer: values[index] for layer, values in self.features.items()}
        chosen.scale = {layer: values[index] for layer, values in self.scale.items()}
        return chosen

    def loss(self, images: Tensor) -> Tensor:
        """Distance ``(B,)`` of the features of ``images``; one query an image.

        Raises:
            ValueError: The target gives features of another shape.
        """
        features = self.query(images)
        per_layer = [self._distance(layer, features[layer].to(goal.dtype)) for layer, goal in self.features.items()]
        return torch.stack(per_layer).mean(0)

    def _distance(self, layer: str, features: Tensor) -> Tensor:
        goal, scale = self.features[layer], self.scale[layer]
        if self.distance == "cosine":
            return 1 - feature_cosine(features, goal)
        if self.distance == "sum":
            return (features - goal).square().flatten(1).sum(1)
        return ((features - goal) / scale).square().flatten(1).mean(1)


def match(
    target: Target | MultiTarget,
    features: Mapping[str, Tensor],
    distance: str = "mse",
    std: Mapping[str, Tensor] | None = None,
) -> Goal:
    """The goal of features as a target sends them: of joint layers each is matched by itself.

    Args:
        target: Network that is queried.
        features: By tapped layer, ``(B, *tensor_shape)``.
        distance: As for :class:`Goal`.
        std: By tapped layer, each channel's deviation; absent layers are normalised by their own features.
    """

    def query(images: Tensor) -> dict[str, Tensor]:
        outputs = target(images)
        return by_part(target, {target.layers[0]: outputs} if isinstance(outputs, Tensor) else outputs)

    scales: dict[str, Tensor] = {}
    for layer, values in (std or {}).items():
        shapes = target.specs[layer].layers
        counts = [num_channels(shape) for shape in shapes.values()]
        if values.shape != (sum(counts),):
            raise ValueError(f"std of {layer} has shape {tuple(values.shape)}; features need ({sum(counts)},)")
        scales |= zip(part_names(target, layer), values.split(counts), strict=True)
    return Goal(query, by_part(target, features), distance, scales)


def by_part(target: Target | MultiTarget, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Features by tapped layer, those of joint layers taken apart: ``(B, C, h, w)``, ``(B, N, D)`` or ``(B, D)``."""
    parts: dict[str, Tensor] = {}
    for layer, values in features.items():
        shape = target.specs[layer].feature_shape
        parts |= zip(part_names(target, layer), split_features(values, shape), strict=True)
    return parts


def part_names(target: Target | MultiTarget, layer: str) -> list[str]:
    """The layer, or what the parts of joint layers are called."""
    names = list(target.specs[layer].layers)
    return names if len(names) == 1 else [f"{name} of {layer}" for name in names]


def channel_scale(features: Tensor, std: Tensor | None = None) -> Tensor:
    """What features ``(B, ...)`` are divided by, broadcastable and of B rows: each channel's deviation.

    Channels that hardly vary count as :func:`floor_deviation` says. Positive everywhere.

    Args:
        features: ``(B, C, h, w)``, ``(B, N, D)`` or ``(B, D)``.
        std: ``(C,)`` or ``(D,)``; None computes it from each image's own features.
    Raises:
        ValueError: ``std`` has another length than the channels.
    """
    axis = 1 + channel_axis(tuple(features.shape[1:]))
    if std is not None:
        if std.shape != (features.shape[axis],):
            raise ValueError(f"std has shape {tuple(std.shape)}; features need ({features.shape[axis]},)")
        shape = [-1 if dim == axis else 1 for dim in range(features.ndim)]
        scale = std.to(features).reshape(shape).expand(len(features), *[-1] * (features.ndim - 1))
    else:
        others = [dim for dim in range(1, features.ndim) if dim != axis]
        if not others or all(features.shape[dim] == 1 for dim in others):
            others = list(range(1, features.ndim))
        scale = features.std(others, correction=0, keepdim=True)
    return floor_deviation(scale.flatten(1)).reshape(scale.shape)
