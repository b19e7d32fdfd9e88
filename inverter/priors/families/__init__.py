"""Families of priors: one a file, registered, told apart by the parts of a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from inverter.run.registry import Registry


@dataclass(frozen=True)
class Family:
    """Priors of one kind of pipeline.

    Args:
        prior: Its class, a :class:`inverter.priors.prior.DiffusionPrior`.
        networks: Parts with weights beside the autoencoder, the denoiser last.
        tokenizers: Of the text encoders.
        matches: Of a ``model_index.json``: whether the folder is of this family, and of no other but one that its class
            is a subclass of.
        optional: Parts with weights that a folder may lack.
    """

    prior: Any
    networks: tuple[str, ...]
    tokenizers: tuple[str, ...]
    matches: Callable[[Mapping[str, Any]], bool]
    optional: tuple[str, ...] = ()


FAMILIES: Registry[Family] = Registry("prior family", "inverter.priors.families")


def find_family(index: Mapping[str, Any]) -> Family:
    """Family of a prior by the parts that its ``model_index.json`` names.

    Raises:
        ValueError: It is of none, or of several, none of whose classes is a subclass of the others'.
    """
    matching = {name: FAMILIES[name].prior for name in FAMILIES.names() if FAMILIES[name].matches(index)}
    bases = {base for prior in matching.values() for base in prior.__mro__[1:]}
    names = [name for name, prior in matching.items() if prior not in bases]
    if len(names) != 1:
        known = ", ".join(FAMILIES.names())
        taken = f", which families {' and '.join(names)} take" if names else ""
        raise ValueError(f"parts are {sorted(index)}{taken}; allowed: those of one of the families {known}")
    return FAMILIES[names[0]]
