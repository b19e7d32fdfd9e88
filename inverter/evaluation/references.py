"""The floors and the ceiling of an evaluation, from a prior and folders of pair shards."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from inverter.data.datamodule import pair_loader
from inverter.data.manifest import Manifest
from inverter.evaluation.floors import MeanImage, NearestTrainingImage, RoundTrip, UnconditionalSample
from inverter.evaluation.methods import Method
from inverter.priors.prior import DiffusionPrior
from inverter.run.progress import track

NEAREST_BY_FEATURES = "nearest training image"
NO_CALLS = {"target_queries": 0, "denoiser_calls": 0}


def reference_methods(
    prior: DiffusionPrior,
    batches: Iterable[Mapping[str, Any]],
    train: Path | None,
    *,
    num_train: int | None,
    batch_size: int,
) -> dict[str, Method]:
    """Nearest training image by features, mean image (both need ``train``), unconditional sample, round trip.

    Args:
        prior: The prior, on the device where it is to run.
        batches: Evaluation pairs of this process, whose nearest images are searched.
        train: Folder of the training pairs, if there are any.
        num_train: Search the first training pairs only; None searches all.
        batch_size: Training pairs read at once.
    """
    methods: dict[str, Method] = {}
    if train is not None:
        pairs, manifest = pair_loader(train, batch_size, limit=num_train), Manifest.load(train)
        nearest = NearestTrainingImage(pairs, torch.tensor(manifest.feature_mean), torch.tensor(manifest.feature_std))
        features = torch.cat([batch["features"] for batch in batches])
        start = time.perf_counter()
        nearest.search(features)  # one pass over the pairs for all images; what is left to the method is a look-up
        search = {"seconds_per_image": (time.perf_counter() - start) / len(features)}
        methods[NEAREST_BY_FEATURES] = Method(nearest, kind="floor", cost=NO_CALLS | search)
        methods["mean image"] = Method(MeanImage.of(track(pairs, "mean image")), kind="floor", cost=NO_CALLS)
    unconditional = UnconditionalSample(prior)
    drawn = NO_CALLS | {"denoiser_calls": unconditional.num_inference_steps}
    methods["unconditional sample"] = Method(unconditional, kind="floor", cost=drawn)
    methods["round trip"] = Method(RoundTrip(prior), kind="ceiling", sees="image", cost=NO_CALLS)
    return methods
