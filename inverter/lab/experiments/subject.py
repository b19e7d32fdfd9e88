"""What is attacked: a layer of the target at an input size, and what is known of it before any attack."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import PurePath

import torch
from torch import Tensor

from inverter.blackbox.published import Published
from inverter.config import SenderConfig
from inverter.data.capture import capture
from inverter.data.inputs import Input
from inverter.lab.experiments.config import ExperimentConfig, PointConfig
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior
from inverter.priors.variant import few_step_name, has_few_step
from inverter.run.device import pick_device, place
from inverter.targets.spec import TargetSpec
from inverter.targets.target import MultiTarget
from inverter.whitebox.build import decodes_with, find_inverter, hashes, load_devices, statistics
from inverter.whitebox.config import InvertConfig, MethodsConfig
from inverter.whitebox.goal import match
from inverter.whitebox.phases.hybrid import hybrid

log = logging.getLogger(__name__)
BLACKBOX = ("blackbox_mean", "blackbox_sample")
UNPOLISHED = "hybrid_unpolished"
WITHOUT_PRIOR = "hybrid_without_prior"
FEW_STEP = "latent_few_step"
FROM_INVERTER = "guided_inverter"
METHODS = (*BLACKBOX, "direct", "latent", FEW_STEP, "guided", FROM_INVERTER, "hybrid", UNPOLISHED, WITHOUT_PRIOR)


@dataclass(frozen=True)
class Subject:
    """A layer, the network that sends its features, and the published inverter of them, if there is one.

    Args:
        point: The layer.
        target: As it sends.
        own: The attacker's copy, which quantises as the device does and adds none of its noise.
        published: Inverter of these features.
        std: Deviation of each channel by layer that the loss is normalised by.
        prior: What decodes.
    """

    point: PointConfig
    target: MultiTarget
    own: MultiTarget
    published: Published | None
    std: Mapping[str, Tensor]
    prior: DiffusionPrior

    def prior_of(self, method: str) -> DiffusionPrior:
        """What a method decodes with: the prior, or its few-step variant."""
        return load_few_step(self.prior.name, self.prior.device) if method == FEW_STEP else self.prior

    def sha256(self, method: str) -> dict[str, str | None]:
        """Hashes of all weights that decide a method's reconstructions; None where there is no inverter."""
        return hashes(self.spec, self.prior_of(method), self.published)

    @property
    def name(self) -> str:
        """See :func:`point_name`."""
        return point_name(self.point)

    @property
    def spec(self) -> TargetSpec:
        return self.target.specs[self.point.layer]

    def features(self, images: Sequence[Tensor], keys: Sequence[str], seed: int) -> Tensor:
        """What the device sends for pictures ``(3, S, S)`` uint8: ``(B, *tensor_shape)``."""
        inputs = [Input(key, image) for key, image in zip(keys, images, strict=True)]
        return capture(self.target, inputs, seed)[self.point.layer]

    def loss(self, recon: Tensor, features: Tensor, distance: str) -> Tensor:
        """Feature loss ``(B,)`` of pictures ``(B, 3, S, S)`` in [0, 1], as the attacks minimise it."""
        with torch.no_grad():
            return match(self.own, {self.point.layer: features}, distance, self.std).loss(recon)


@lru_cache(maxsize=1)
def load_few_step(name: str, device: torch.device) -> DiffusionPrior:
    """The variant of a prior that all layers share."""
    return place(load_prior(few_step_name(name)), device)


def point_name(point: PointConfig) -> str:
    """Such as ``blocks.2@224``, or ``blocks.2@224 by NAME`` with an inverter that was named."""
    by = f" by {PurePath(point.inverter).name}" if point.inverter is not None else ""
    return f"{point.layer}@{point.input_size}{by}"


def load_subject(config: ExperimentConfig, point: PointConfig, prior: DiffusionPrior) -> Subject:
    """Load the target, tapped.

    Raises:
        ValueError: An unknown network, layer or published inverter.
    """
    device, invert = torch.device(pick_device(config.device)), invert_config(config, point, "direct", 0)
    target, own = load_devices(invert.target.filled(), [point.layer], device)
    published = find_inverter(invert, target.specs[point.layer])
    if published is not None and point.inverter is None and not decodes_with(published, prior):
        published = None
    if published is None:
        log.warning("%s: no published inverter for a search to start from", point_name(point))
    std = statistics(invert, target.specs[point.layer], published)
    std = {layer: values.to(device) for layer, values in std.items()}
    return Subject(point, target, own, published, std, prior)


def invert_config(config: ExperimentConfig, point: PointConfig, method: str, seed: int) -> InvertConfig:
    """What ``invert`` would be told: the experiment's methods, at this layer."""
    shared = {entry.name: deepcopy(getattr(config, entry.name)) for entry in fields(MethodsConfig)}
    network = config.target
    sends = (network.payload, network.pretrained, network.defence)
    target = SenderConfig(network.name, point.layer, point.input_size, *sends)
    if method in (UNPOLISHED, WITHOUT_PRIOR):
        shared["hybrid"].polish = "false"
    if method == WITHOUT_PRIOR:
        shared["hybrid"].prior_every_n_steps = 0
    if method == FROM_INVERTER:
        shared["guided"].start = "inverter"
    if method == FEW_STEP:
        shared["latent"].num_inference_steps, shared["latent"].strength = 1, 1.0
    return InvertConfig(
        **shared,
        method="blackbox" if method in BLACKBOX else method.partition("_")[0],
        target=target,
        inverter=point.inverter,
        prior=few_step_name(config.prior) if method == FEW_STEP else config.prior,
        input="",
        device=config.device,
        seed=seed,
    )


def applicable(subject: Subject, methods: Sequence[str], config: ExperimentConfig, size: int) -> list[str]:
    """Methods that there are here: black-box ones and ``guided_inverter`` need an inverter, few-step ones a variant.

    Hybrid is there once where nothing is polished.

    Raises:
        ValueError: An unknown method.
    """
    unknown = sorted(set(methods) - set(METHODS))
    if unknown or not methods:
        raise ValueError(f"methods is {list(methods)}; allowed: one or more of {', '.join(METHODS)}")
    polished = len(hybrid(config.hybrid, subject.spec.num_features, size)) > 1
    left_out = {*BLACKBOX, FROM_INVERTER} if subject.published is None else set()
    if not polished and UNPOLISHED in methods:
        left_out.add("hybrid")
    if not has_few_step(config.prior):
        left_out.add(FEW_STEP)
    return [method for method in methods if method not in left_out]
