"""Differentiable losses, pure functions with one value per image: image distances, regularisers, feature distances."""

from inverter.losses.deviation import floor_deviation
from inverter.losses.feature import feature_cosine
from inverter.losses.image import gradient_distance, image_distance, multi_scale_distance, total_variation

__all__ = [
    "feature_cosine",
    "floor_deviation",
    "gradient_distance",
    "image_distance",
    "multi_scale_distance",
    "total_variation",
]
