"""Weights of published inverters: saved, and loaded into an inverter ready for features."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from inverter.blackbox.few_step import few_step_variant
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.published import LORA, WEIGHTS, Published, check_target, read_published
from inverter.config import MemoryConfig
from inverter.config.errors import one_line
from inverter.priors.control import ControlShape
from inverter.priors.few_step import fuse_state
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior
from inverter.priors.variant import split_name
from inverter.run.checkpoints import check_weights
from inverter.targets.spec import TargetSpec


def load_inverter(
    name: str | Path,
    prior: DiffusionPrior | str | Path | None = None,
    target: TargetSpec | None = None,
    memory: MemoryConfig | None = None,
) -> Inverter:
    """Load a published inverter with its prior, ready to invert features; no target is built.

    Args:
        name: Folder name under ``checkpoints/``, path, or hub id; with ``+few-step`` behind it, the variant that draws
            in few steps without guidance, where the inverter has one.
        prior: Prior already loaded, or its name, hub id (``owner/name@revision``) or folder here; None loads the one
            that the inverter names, which is never fetched from the hub, and may be a folder of the machine that
            trained it.
        target: Spec of the network whose features will be inverted, to be checked; None checks their shape only.
        memory: What a prior that is loaded here may take, see :func:`inverter.priors.load.load_prior`.
    Raises:
        ValueError: Not found, damaged, weights that do not fit, another target or layer, a prior with other weights
            than it was trained with, or no few-step variant.
    """
    base, few_step = split_name(str(name))
    published = read_published(base)
    if not isinstance(target, TargetSpec | None):
        raise ValueError(f"target is a {type(target).__name__}; needed: its TargetSpec, target.spec")
    if target is not None:
        check_target(published, target)
    if not isinstance(prior, DiffusionPrior):
        prior = load_prior(prior or published.prior, memory, fetch=bool(prior))
    if prior.weights_sha256 != published.prior_sha256:
        raise ValueError(
            f"inverter {str(name)!r} was trained with prior {published.prior!r} of weights "
            f"{published.prior_sha256[:12]}; the one at hand has {prior.weights_sha256[:12]}"
        )
    inverter = read_inverter(published, prior.control_shape)
    if inverter.spec.tune == "lora":
        prior = with_lora(prior, published)
    inverter.attach(prior).eval()
    inverter.published = published
    return few_step_variant(inverter, published.folder) if few_step else inverter


def check_unchanged(inverter: Inverter) -> Published:
    """What an inverter was loaded from.

    Raises:
        ValueError: It was not, or its weights are no longer those.
    """
    published = inverter.published
    if published is None:
        raise ValueError("this inverter was not loaded from a published one; run `inverter publish` first")
    there = read_inverter(published, inverter.prior.control_shape).state_dict()
    for name, values in inverter.state_dict().items():
        if not torch.equal(values.cpu().float(), there[name].float()):
            raise ValueError(f"weight {name} is not what {published.folder} holds; publish the changed inverter first")
    return published


def with_lora(prior: DiffusionPrior, published: Published) -> DiffusionPrior:
    """A copy of a prior whose denoiser is tuned as a published inverter's is.

    Raises:
        ValueError: The file is missing, damaged or of another denoiser.
    """
    state, tuned = read_lora(published), copy.deepcopy(prior)
    try:
        fuse_state(tuned.denoiser, state)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"published inverter {published.folder}: {LORA} cannot be used: {one_line(error)}") from error
    return tuned


def read_lora(published: Published) -> dict[str, Tensor]:
    """Weights of the LoRA that tunes a published inverter's denoiser.

    Raises:
        ValueError: The file is missing or damaged.
    """
    path = published.folder / LORA
    if not path.is_file():
        raise ValueError(f"published inverter {published.folder}: {LORA} is missing, which tunes its denoiser")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"published inverter {published.folder}: {LORA} cannot be used: {one_line(error)}") from error


def read_inverter(published: Published, control_shape: ControlShape) -> Inverter:
    """A published inverter's weights without a prior, whose denoiser takes control of the given shape.

    Raises:
        ValueError: Weights that are damaged or do not fit.
    """
    try:
        state = {
            key.replace("aligner.", "conditioner.", 1) if key.startswith("aligner.") else key: value.float()
            for key, value in load_file(published.folder / WEIGHTS).items()
        }
        if broken := [key for key, value in state.items() if not value.isfinite().all()]:
            raise ValueError(f"weight {broken[0]} holds NaN or infinity")
        with torch.device("meta"):  # takes no memory, whatever sizes the config asks for
            check_weights(Inverter(published.spec, control_shape=control_shape), state)
        inverter = Inverter(published.spec, control_shape=control_shape)
        inverter.load_state_dict(state)
    except (SafetensorError, RuntimeError, ValueError, OSError) as error:
        message = f"published inverter {published.folder}: {WEIGHTS} cannot be used: {one_line(error)}"
        raise ValueError(message) from error
    return inverter
