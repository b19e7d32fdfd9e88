"""What is attacked: a layer of the target at an input size, and what is known of it before any attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import PurePath

import torch
from torch import Tensor

from inverter.config import ExperimentConfig, InvertConfig, MethodsConfig, PointConfig, SenderConfig
from inverter.data.inputs import Input
from inverter.inversion.build import find_inverter, statistics
from inverter.inversion.capture import capture
from inverter.published import Published
from inverter.targets.load import load_targets
from inverter.targets.spec import TargetSpec
from inverter.targets.target import MultiTarget
from inverter.training import pick_device
from inverter.whitebox.goal import Goal
from inverter.whitebox.hybrid import hybrid

BLACKBOX = ("blackbox_mean", "blackbox_sample")
UNPOLISHED = "hybrid_unpolished"
METHODS = (*BLACKBOX, "direct", "latent", "guided", "hybrid", UNPOLISHED)


@dataclass(frozen=True)
class Subject:
    """A layer, the network that sends its features, and the published inverter of them, if there is one."""

    point: PointConfig
    target: MultiTarget
    published: Published | None
    std: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """See :func:`point_name`."""
        return point_name(self.point)

    @property
    def spec(self) -> TargetSpec:
        return self.target.specs[self.point.layer]

    def features(self, images: Sequence[Tensor], keys: Sequence[str], seed: int) -> Tensor:
        """What the device sends for pictures ``(3, S, S)`` uint8: ``(B, *feature_shape)``."""
        inputs = [Input(key, image) for key, image in zip(keys, images, strict=True)]
        return capture(self.target, inputs, seed)[self.point.layer]

    def loss(self, recon: Tensor, features: Tensor, distance: str) -> Tensor:
        """Feature loss ``(B,)`` of pictures ``(B, 3, S, S)`` in [0, 1], as the attacks minimise it."""
        with torch.no_grad():
            return Goal(self.target, {self.point.layer: features}, distance, self.std).loss(recon)


def point_name(point: PointConfig) -> str:
    """Such as ``blocks.2@224``, or ``blocks.2@224 by NAME`` with an inverter that was named."""
    by = f" by {PurePath(point.inverter).name}" if point.inverter is not None else ""
    return f"{point.layer}@{point.input_size}{by}"


def load_subject(config: ExperimentConfig, point: PointConfig) -> Subject:
    """Load the target, tapped.

    Raises:
        ValueError: An unknown network, layer or published inverter.
    """
    device, network = torch.device(pick_device(config.device)), config.target
    target = load_targets(
        network.name,
        [point.layer],
        input_size=point.input_size,
        payload=network.payload,
        pretrained=network.pretrained,
    ).to(device)
    invert = invert_config(config, point, "direct", 0)
    published = find_inverter(invert, target.specs[point.layer])
    std = statistics(invert, target.specs[point.layer], published)
    return Subject(point, target, published, {layer: values.to(device) for layer, values in std.items()})


def invert_config(config: ExperimentConfig, point: PointConfig, method: str, seed: int) -> InvertConfig:
    """What ``invert`` would be told: the experiment's methods, at this layer."""
    shared = {entry.name: deepcopy(getattr(config, entry.name)) for entry in fields(MethodsConfig)}
    network = config.target
    target = SenderConfig(network.name, point.layer, point.input_size, network.payload, network.pretrained)
    if method == UNPOLISHED:
        shared["hybrid"].polish = "false"
    return InvertConfig(
        **shared,
        method="blackbox" if method in BLACKBOX else method.partition("_")[0],
        target=target,
        inverter=point.inverter,
        prior=config.prior,
        input="",
        device=config.device,
        seed=seed,
    )


def applicable(subject: Subject, methods: Sequence[str], config: ExperimentConfig, size: int) -> list[str]:
    """Methods that differ here: black-box ones need an inverter, hybrid is there once where nothing is polished.

    Raises:
        ValueError: An unknown method.
    """
    unknown = sorted(set(methods) - set(METHODS))
    if unknown or not methods:
        raise ValueError(f"methods is {list(methods)}; allowed: one or more of {', '.join(METHODS)}")
    polished = len(hybrid(config.hybrid, subject.spec.num_features, size)) > 1
    left_out = set(BLACKBOX) if subject.published is None else set()
    if not polished and UNPOLISHED in methods:
        left_out.add("hybrid")
    return [method for method in methods if method not in left_out]
