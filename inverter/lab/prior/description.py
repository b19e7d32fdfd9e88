"""What a measurement of a prior is of: the weights, and how they are measured."""

from __future__ import annotations

import dataclasses
from typing import Any

from inverter.lab.prior.config import EvaluatePriorConfig
from inverter.lab.prior.plan import Settings
from inverter.priors.index import TRAINING, read_object_if_there
from inverter.priors.prior import DiffusionPrior
from inverter.priors.variant import ABOUT, FOLDER, split_name
from inverter.run.hub import find_prior

SETTINGS = (
    *("num_samples", "num_text", "num_memory", "num_photos", "num_speed", "num_inference_steps", "guidance_scale"),
    *("val", "train", "judges", "batch_size", "num_bootstrap", "precision", "seed"),
)


def describe_prior(
    config: EvaluatePriorConfig, settings: Settings, prior: DiffusionPrior, judges: list[str]
) -> dict[str, Any]:
    """What is measured and how: plain data that every part of a record shares."""
    values = {**dataclasses.asdict(config), **dataclasses.asdict(settings)}
    folder = find_prior(split_name(config.prior)[0])
    training = read_object_if_there(folder / TRAINING)
    if prior.few_step:
        training = {**training, "few-step variant": read_object_if_there(folder / FOLDER / ABOUT).get("training")}
    return {
        "prior": config.prior,
        "weights_sha256": prior.weights_sha256,
        "autoencoder": type(prior.vae).__name__,
        "few_step": prior.few_step,
        "resolution": prior.resolution,
        "latent_shape": list(prior.latent_shape),
        "judges": judges,
        "config": {key: values[key] for key in SETTINGS},
        "training": {part: summary for part, summary in training.items() if summary},
    }
