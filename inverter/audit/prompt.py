"""Whether the prompt of the ``sample`` operating point does anything."""

import torch
from torch import Tensor

from inverter.audit.plan import Step
from inverter.blackbox.build import load_run, run_inverter
from inverter.blackbox.inverter import Inverter
from inverter.data.datamodule import pair_loader
from inverter.losses.quality import quantise
from inverter.run.device import pick_device

NUM_PICTURES = 4
PROMPTS = ("a small dog in front of a green hill", "a red car in a street at night")


def probe_prompt(step: Step) -> float:
    """:func:`prompt_change` of a layer's trained inverter, on the first pictures of its evaluation."""
    device = pick_device(step.train.trainer.device)
    inverter = run_inverter(load_run(step.run)[0]).to(device)
    inverter.prior.to(device)
    (features,) = (batch["features"] for batch in pair_loader(step.pairs / "val", NUM_PICTURES, limit=NUM_PICTURES))
    return prompt_change(inverter, features.to(device), step.train.seed)


def prompt_change(inverter: Inverter, features: Tensor, seed: int = 0) -> float:
    """Mean absolute difference of two samples that differ in their prompt alone.

    Args:
        inverter: With its prior attached.
        features: ``(B, *feature_shape)``.
        seed: Seeds the noise, the same for both.
    Returns:
        8-bit levels, from 0 to 255.
    """
    first, second = (
        quantise(inverter.sample(features, prompt=prompt, generator=torch.Generator().manual_seed(seed)))
        for prompt in PROMPTS
    )
    return 255 * (first - second).abs().mean().item()
