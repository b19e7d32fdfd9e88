"""The floors and the ceiling of an evaluation, from a prior and folders of pair shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from inverter.data.manifest import Manifest
from inverter.evaluation.floors import MeanImage, NearestTrainingImage, RoundTrip, UnconditionalSample
from inverter.evaluation.methods import NEAREST_BY_FEATURES, Method
from inverter.priors.prior import DiffusionPrior

NO_CALLS = {"target_queries": 0, "denoiser_calls": 0}


def reference_methods(
    prior: DiffusionPrior, batches: Iterable[Mapping[str, Any]], train: Path | None
) -> dict[str, Method]:
    """Nearest training image by features, mean image (both need ``train``), unconditional sample, round trip.

    Args:
        prior: The prior, on the device where it is to run.
        batches: Evaluation pairs of this process, whose nearest images are searched.
        train: Folder of the training pairs, if there are any; ``evaluate`` shows them to the floors that need them.
    """
    methods: dict[str, Method] = {}
    if train is not None:
        manifest = Manifest.load(train)
        features = torch.cat([batch["features"] for batch in batches])
        mean, std = torch.tensor(manifest.feature_mean), torch.tensor(manifest.feature_std)
        nearest = NearestTrainingImage(features, mean, std, manifest.target.feature_shape)
        nearest.cost |= NO_CALLS
        methods[NEAREST_BY_FEATURES] = Method(nearest, kind="floor", cost=nearest.cost)
        methods["mean image"] = Method(MeanImage(), kind="floor", cost=NO_CALLS)
    unconditional = UnconditionalSample(prior)
    drawn = NO_CALLS | {"denoiser_calls": unconditional.num_inference_steps}
    methods["unconditional sample"] = Method(unconditional, kind="floor", cost=drawn)
    methods["round trip"] = Method(RoundTrip(prior), kind="ceiling", sees="image", cost=NO_CALLS)
    return methods
