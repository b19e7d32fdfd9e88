"""The black-box inverter's reconstructions, as cells beside those of the white-box methods."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from inverter.blackbox.load import load_inverter
from inverter.lab.experiments.cell import CellFile
from inverter.lab.experiments.picture_set import Picture
from inverter.lab.experiments.subject import Subject
from inverter.whitebox.noise import image_generators


def run_one_pass(
    subject: Subject,
    cell: CellFile,
    pictures: Sequence[Picture],
    features: Tensor,
    prompts: Sequence[str | None] | None,
    *,
    drawn: bool,
    seed: int,
    guidance_scale: float,
) -> None:
    """Reconstruct one picture at a time, so that each one's noise is its own, and keep what was found.

    Args:
        subject: Has a published inverter.
        cell: Where reconstructions go.
        pictures: B pictures.
        features: Of these, ``(B, *feature_shape)``.
        prompts: One a picture in place of the predicted conditioning; None keeps it.
        drawn: ``sample`` rather than ``mean``.
        seed: With the picture's key, of the noise.
        guidance_scale: With prompts.
    Raises:
        ValueError: There is no published inverter of these features.
    """
    if subject.published is None:
        raise ValueError(f"{subject.name} has no published inverter; allowed: methods that differentiate the target")
    inverter = load_inverter(str(subject.published.folder), subject.prior, subject.spec).to(features.device)
    begun, recons = _clock(features.device), []
    scale = inverter.spec.guidance_scale if prompts is None else guidance_scale
    with torch.no_grad():
        for number, picture in enumerate(pictures):
            one, prompt = features[number : number + 1], None if prompts is None else prompts[number]
            noise = image_generators([picture.key], seed, "sample")
            sampled = {"prompt": prompt, "guidance_scale": scale, "generator": noise}
            recons.append(inverter.sample(one, **sampled) if drawn else inverter.mean(one))  # type: ignore[arg-type]
    seconds = (_clock(features.device) - begun) / len(pictures)
    calls = inverter.denoiser_calls(guidance_scale=scale) if drawn else 0
    costs = {"target_queries": 0, "denoiser_calls": calls, "steps": 1, "seconds": seconds}
    prompt_values = {} if prompts is None else {"prompt": list(prompts)}
    values = {name: [value] * len(pictures) for name, value in costs.items()} | prompt_values
    cell.add(pictures, torch.cat(recons).float(), values)


def _clock(device: torch.device) -> float:
    """Seconds, when the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
