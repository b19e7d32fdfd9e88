"""Where networks come from: one library a file, registered by the prefix that names it, such as ``timm:``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from inverter.config.errors import raise_if_out_of_memory
from inverter.run.registry import Registry


@dataclass(frozen=True)
class LoadedNetwork:
    """A network and how it wants its images: side in pixels, and mean and deviation for images in [0, 1]."""

    name: str
    network: nn.Module
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def image_options(
        self, input_size: int, mean: Sequence[float] | None, std: Sequence[float] | None
    ) -> dict[str, Any]:
        """What a target is built with beside the network and its layers; None takes the network's own."""
        mean, std = self.mean if mean is None else mean, self.std if std is None else std
        return {"name": self.name, "input_size": input_size, "mean": mean, "std": std}


Load = Callable[[str, int | None, bool], LoadedNetwork]
"""A network by name, the size meant for it in pixels (None: as it was trained), and whether with trained weights."""

LIBRARIES: Registry[Load] = Registry("target", "inverter.targets.libraries")


def own_network(name: str, network: nn.Module, input_size: int | None) -> LoadedNetwork:
    """A network that says nothing of its images: they stay in [0, 1]."""
    return LoadedNetwork(name, network.eval(), input_size or 224, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@contextmanager
def seeded() -> Iterator[None]:
    """Random weights are the same each time, and the caller's random numbers are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


@contextmanager
def loading(target: str) -> Iterator[None]:
    """What a library fails with becomes one ValueError."""
    try:
        yield
    except Exception as error:  # the libraries' downloads fail with errors of many packages
        raise_if_out_of_memory(error, f"target={target!r}")
        raise ValueError(
            f"target={target!r} cannot be built here ({type(error).__name__}: {error}); without access to its trained "
            "weights use pretrained=False"
        ) from error


def unknown(source: str, name: str, known: Sequence[str]) -> ValueError:
    """A name that a library does not have, and the nearest that it has."""
    nearest = difflib.get_close_matches(name, known, n=5, cutoff=0.0)
    return ValueError(f"target='{source}:{name}' is unknown; the nearest names are {', '.join(nearest)}")
