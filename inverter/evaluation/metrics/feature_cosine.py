"""``feature_cosine``: cosine similarity of what the attacked layer makes of the two pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.evaluation.metrics import METRICS, Context, ImageMetric, Missing
from inverter.losses.feature import feature_cosine
from inverter.targets.shape import split_features


def measure(recon: Tensor, original: Tensor, context: Context) -> Tensor | Missing:
    """``(B,)``; of joint layers the mean over layers."""
    if context.target is None:
        return Missing("feature_cosine", "the target was not at hand")
    both = (context.target(recon).float(), context.features)
    layers = zip(*(split_features(features, context.feature_shape) for features in both), strict=True)
    return torch.stack([feature_cosine(*layer) for layer in layers]).mean(0)


METRICS.register(
    "feature_cosine",
    ImageMetric(title="feature cosine", decimals=3, arrow="↑", measure=measure, network="{target}"),
)
