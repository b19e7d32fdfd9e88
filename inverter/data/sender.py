"""What sends the features of the pairs that are written together: targets, or what was captured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import TYPE_CHECKING

import torch

from inverter.data.captured_target import CapturedTarget
from inverter.data.sources.source import ImageSource
from inverter.run.device import place
from inverter.targets import load_targets
from inverter.targets.bundle import TargetBundle
from inverter.targets.load import load_options

if TYPE_CHECKING:
    from inverter.config import PrepareConfig


def open_sender(
    configs: Sequence[PrepareConfig], source: ImageSource, device: torch.device | str
) -> TargetBundle | CapturedTarget | None:
    """Targets of the configs on the device, each under its output, or the payload that captured features are sent by.

    None where the features stay as the source brings them.

    Raises:
        ValueError: A target cannot be built, or captured features cannot be sent by ``target.payload``.
    """
    if source.captured is None:
        return place(_load_bundle(configs), device)
    (config,) = configs
    if config.target.payload == "identity":
        return None
    return CapturedTarget(source.spec, config.output, config.target.payload)


def _load_bundle(configs: Sequence[PrepareConfig]) -> TargetBundle:
    alike: dict[tuple[object, ...], list[PrepareConfig]] = {}
    for config in configs:
        alike.setdefault(astuple(replace(config.target, layer="")), []).append(config)
    members = []
    for group in alike.values():
        t, names = group[0].target, {config.target.layer: config.output for config in group}
        options = load_options(t)
        if group[0].mean is not None or group[0].std is not None:
            options |= {"mean": group[0].mean, "std": group[0].std}
        members.append((load_targets(t.name, list(names), **options), names))
    return TargetBundle(members)
