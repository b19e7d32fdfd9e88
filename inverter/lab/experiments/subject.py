"""What is attacked: a layer of the target at an input size, and what is known of it before any attack."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import PurePath
from typing import Any

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
from inverter.whitebox.methods import METHODS

log = logging.getLogger(__name__)
BLACKBOX = ("blackbox_mean", "blackbox_sample")
FEW_STEP, FROM_INVERTER, UNPOLISHED = "latent_few_step", "guided_inverter", "hybrid_unpolished"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    FEW_STEP: ("latent", {"num_inference_steps": 1, "strength": 1.0}),
    FROM_INVERTER: ("guided", {"start": "inverter"}),
    UNPOLISHED: ("hybrid", {"polish": "false"}),
    "hybrid_without_prior": ("hybrid", {"polish": "false", "prior_every_n_steps": 0}),
}
"""Methods that are compared with those that are registered: the one that each is, and what of its section is set."""


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
    registered, settings = VARIANTS.get(method, (method, {}))
    if settings:
        shared[registered] = replace(shared[registered], **settings)
    return InvertConfig(
        **shared,
        method="blackbox" if method in BLACKBOX else registered,
        target=target,
        inverter=point.inverter,
        prior=few_step_name(config.prior) if method == FEW_STEP else config.prior,
        input="",
        device=config.device,
        seed=seed,
    )


def known_methods() -> tuple[str, ...]:
    """What an experiment can compare: black-box methods, those that are registered, and variants of these."""
    return (*BLACKBOX, *METHODS.names(), *VARIANTS)


def check_methods(given: Sequence[str]) -> Sequence[str]:
    """The methods that were given.

    Raises:
        ValueError: An unknown one, or none.
    """
    if set(given) - set(known_methods()) or not given:
        raise ValueError(f"methods is {list(given)}; allowed: one or more of {', '.join(known_methods())}")
    return given


def smooths(method: str, config: MethodsConfig) -> bool:
    """Whether a method of an experiment smooths the frames of a clip, which its first phase says."""
    if method in BLACKBOX:
        return False
    registered = VARIANTS[method][0] if method in VARIANTS else method
    return METHODS[registered].phases(getattr(config, registered, None), 1, 1)[0].smoothed is not None


def reads_prompt(method: str) -> bool:
    """Whether text conditions a method of an experiment."""
    return method == BLACKBOX[1] if method in BLACKBOX else METHODS[VARIANTS.get(method, (method,))[0]].prompted


def applicable(subject: Subject, given: Sequence[str], config: ExperimentConfig, size: int) -> list[str]:
    """Methods that there are here: black-box ones and ``guided_inverter`` need an inverter, few-step ones a variant.

    Where nothing is polished, the variant that polishes nothing is there alone.

    Raises:
        ValueError: An unknown method.
    """
    check_methods(given)
    registered, _ = VARIANTS[UNPOLISHED]
    phases = METHODS[registered].phases(getattr(config, registered), subject.spec.num_features, size)
    left_out = {*BLACKBOX, FROM_INVERTER} if subject.published is None else set()
    if len(phases) == 1 and UNPOLISHED in given:
        left_out.add(registered)
    if not has_few_step(config.prior):
        left_out.add(FEW_STEP)
    return [method for method in given if method not in left_out]
