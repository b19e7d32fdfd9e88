"""The floors and the ceiling of an evaluation, from a prior and folders of pair shards."""

from __future__ import annotations

from pathlib import Path

import torch

from inverter.data.datamodule import pair_loader
from inverter.data.manifest import Manifest
from inverter.evaluation.floors import MeanImage, NearestTrainingImage, RoundTrip, UnconditionalSample
from inverter.evaluation.methods import Method
from inverter.priors.prior import DiffusionPrior
from inverter.progress import track

NEAREST_BY_FEATURES = "nearest training image"


def reference_methods(
    prior: DiffusionPrior,
    val: Path,
    train: Path | None,
    *,
    limit: int | None,
    num_train: int | None,
    batch_size: int,
    seed: int,
) -> dict[str, Method]:
    """Nearest training image by features, mean image (both need ``train``), unconditional sample, round trip."""
    methods: dict[str, Method] = {}
    if train is not None:
        pairs, manifest = pair_loader(train, batch_size, limit=num_train), Manifest.load(train)
        nearest = NearestTrainingImage(pairs, torch.tensor(manifest.feature_mean), torch.tensor(manifest.feature_std))
        evaluated = track(pair_loader(val, batch_size, limit=limit), "features to search for")
        nearest.search(torch.cat([batch["features"] for batch in evaluated]))
        methods[NEAREST_BY_FEATURES] = Method(nearest, kind="floor")
        methods["mean image"] = Method(MeanImage.of(pairs), kind="floor")
    methods["unconditional sample"] = Method(UnconditionalSample(prior, seed=seed), kind="floor")
    methods["round trip"] = Method(RoundTrip(prior), kind="ceiling", sees="image")
    return methods
