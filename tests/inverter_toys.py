"""A published inverter of toy sizes, untrained."""

from pathlib import Path

import torch

from inverter.blackbox.inverter import Inverter
from inverter.blackbox.spec import InverterSpec
from inverter.priors.prior import DiffusionPrior
from inverter.publish.inverter import save_inverter
from inverter.targets.spec import TargetSpec


def publish_toy(folder: Path, prior: DiffusionPrior, target: TargetSpec) -> None:
    """Write one for a target's features of 6 channels, always the same."""
    spec = InverterSpec(
        feature_shape=target.feature_shape,
        latent_shape=prior.latent_shape,
        conditioning_shape=prior.conditioning_shape,
        resolution=32,
        width=16,
        coarse_width=16,
        num_tokens=2,
        depth=1,
        dropout=0.0,
        head_width=8,
        strength=0.5,
        num_inference_steps=4,
        guidance_scale=1.0,
        feature_mean=[0.0] * 6,
        feature_std=[1.0] * 6,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        training = {"pairs": 10, "pairs_seen": 40, "source": "prior", "threat_model": "x"}
        save_inverter(Inverter(spec, prior), folder, target, training)
