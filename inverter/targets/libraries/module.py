"""``module:package.module:factory``: a function without arguments that returns a network."""

from __future__ import annotations

import importlib

from torch import nn

from inverter.config.errors import one_line, raise_if_out_of_memory
from inverter.targets.eager import eager
from inverter.targets.libraries import LIBRARIES, LoadedNetwork, own_network, seeded


def load_module(name: str, input_size: int | None, pretrained: bool) -> LoadedNetwork:
    """What a factory returns.

    Raises:
        ValueError: It cannot be imported or called, or returns no network.
    """
    module_name, _, factory_name = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
        with seeded():
            network = factory()
    except Exception as error:  # code of the user's own can fail with anything
        raise_if_out_of_memory(error, f"target='module:{name}'")
        raise ValueError(
            f"target='module:{name}' must be module:package.module:factory, importable from here (its folder in "
            f"PYTHONPATH), the factory callable without arguments: {type(error).__name__}: {one_line(error)}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"target='module:{name}': the factory must return an nn.Module, got {type(network).__name__}")
    return own_network(f"module:{name}", eager(network), input_size)


LIBRARIES.register("module", load_module)
