"""Which inverters the page offers, and those that it used last, loaded, with their targets."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import torch

from inverter.blackbox.inverter import Inverter
from inverter.blackbox.published import is_run, list_inverters, read_published
from inverter.blackbox.trained import load_any_inverter
from inverter.demo.config import DemoConfig
from inverter.payloads import make_payload
from inverter.priors.variant import split_name
from inverter.run.device import pick_device
from inverter.targets.load import load_same_target
from inverter.targets.shape import describe_shape, layer_shapes
from inverter.targets.spec import TargetSpec
from inverter.targets.target import Target

KEPT = 4
"""Inverters, and targets, that stay in memory."""


def names(config: DemoConfig) -> list[str]:
    """What may be chosen: what the configuration names, else published inverters and finished training runs.

    Raises:
        ValueError: There is none.
    """
    if config.inverters is not None:
        names = list(config.inverters)
    else:
        runs = sorted(path.parent for path in Path(config.runs).rglob("train.yaml"))
        finished = [run for run in runs if (run / "summary.json").is_file() and is_run(str(run))]
        names = [published.folder.name for published in list_inverters()] + list(map(str, finished))
    if not names:
        raise ValueError(
            f"inverters is {config.inverters}, and none is published or lies in runs={config.runs}; allowed: names, "
            "folders or hub ids"
        )
    return names


def describe(name: str) -> str:
    """What the page calls an inverter: its name and, of a published one, the shape of its features."""
    base = split_name(name)[0]
    return (
        f"{name} (a run)" if is_run(base) else f"{name} ({describe_shape(read_published(base).target.feature_shape)})"
    )


class Inverters:
    """Inverters by name, and the targets whose features they invert, each loaded when first asked for.

    Args:
        config: Which there are, and where they compute.
    """

    def __init__(self, config: DemoConfig) -> None:
        self.config, self.names = config, names(config)
        self.device = torch.device(pick_device(config.device))
        self.inverter = functools.lru_cache(KEPT)(self._inverter)
        self.target = functools.lru_cache(KEPT)(self._target)

    def _inverter(self, name: str) -> tuple[Inverter, TargetSpec]:
        """An inverter and the spec of its target.

        Raises:
            ValueError: It is not one of those that may be chosen, or cannot be loaded.
        """
        if name not in self.names:
            raise ValueError(f"inverter is {name!r}; allowed: {', '.join(self.names)}")
        inverter, spec = load_any_inverter(name)
        return inverter.to(self.device).eval(), spec

    def _target(self, name: str, payload: str) -> Target:
        """The target of an inverter, with a payload.

        Raises:
            ValueError: It is not at hand, or the payload is unknown, not for these features, or still without a range.
        """
        _, spec = self.inverter(name)
        made = make_payload(payload)
        for shape in layer_shapes(spec.feature_shape):
            made.check(shape)
        if made.fits:
            raise ValueError(f"payload={payload} takes its range from training pairs; allowed here: a fixed range")
        loaded = load_same_target(replace(spec, payload=made.name), self.config.target or "", self.device)
        if loaded is None:
            raise ValueError(f"target {spec.name!r} of inverter {name!r} is not at hand; give features instead")
        return loaded
