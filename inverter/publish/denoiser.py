"""A denoiser that was wholly tuned for features, published beside that of its prior."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from safetensors.torch import load_file

from inverter.data.manifest import Manifest
from inverter.priors.control_pairs import ControlPairs
from inverter.priors.load import load_prior
from inverter.priors.parts import write_control_denoiser
from inverter.priors.prior import DiffusionPrior
from inverter.priors.variant import CONTROL, CONTROL_FOLDER, split_control
from inverter.run.hub import checkpoints_root, find_prior


def publish_denoiser(prior: DiffusionPrior, pairs: Sequence[Manifest], overwrite: bool) -> None:
    """Write a wholly tuned denoiser beside the one of its prior, and name the prior after it.

    Inverters that were trained in one run share it, so it may be there already.

    Args:
        prior: With the tuned denoiser.
        pairs: That it was tuned on.
        overwrite: Replace another tuned denoiser.

    Raises:
        ValueError: The prior does not lie in ``checkpoints/``, or another tuned denoiser is there and would be lost.
    """
    base = split_control(prior.name)[0]
    folder = find_prior(base)
    if folder.resolve().parent != checkpoints_root().resolve():
        raise ValueError(
            f"prior {folder} is not in {checkpoints_root()}, where a tuned denoiser is kept; copy it there, or train "
            "with model.tune=lora, whose weights go with the inverter"
        )
    path = folder / CONTROL_FOLDER / "diffusion_pytorch_model.safetensors"
    state = {name: value.half() for name, value in prior.denoiser.state_dict().items()}
    if path.is_file():
        existing = load_file(path)
        same = existing.keys() == state.keys() and all(torch.equal(existing[name], state[name].cpu()) for name in state)
        if not same and not overwrite:
            raise ValueError(
                f"prior {folder} has another denoiser in {CONTROL_FOLDER}, which published inverters may need; "
                "set overwrite=true to replace it"
            )
    else:
        same = False
    if not same:
        before = prior.control_pairs
        learned = None if before is None else [*before, *map(ControlPairs.of, pairs)]
        write_control_denoiser(prior.denoiser, folder, learned)
    prior.name = f"{base}{CONTROL}"
    written = load_prior(prior.name)
    prior.weights_sha256, prior.control_pairs = written.weights_sha256, written.control_pairs
