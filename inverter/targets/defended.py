"""Networks whose device's half a defence changed: its weights and modules, read from its folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from inverter.config.errors import one_line
from inverter.run.checkpoints import check_weights
from inverter.run.files import write_bytes
from inverter.targets.cuts import Cut, make_cut
from inverter.targets.defence import WEIGHTS, read_defence
from inverter.targets.digest import weights_sha256
from inverter.targets.libraries import LoadedNetwork
from inverter.targets.shape import layer_shapes
from inverter.targets.spec import DefenceMark

NETWORK, CUT = "network.", "cut."
"""Beginnings of names in ``model.safetensors``: weights of the network that changed, and those of the cut."""


@dataclass(frozen=True)
class Defended:
    """What a defence does beside changing weights.

    Args:
        mark: For the target's spec; None while it is trained.
        cut: Modules where the network is cut; None: none.
        payload: What belongs to the defence of how features travel.
    """

    mark: DefenceMark | None = None
    cut: Cut | None = None
    payload: str = "identity"


def apply_defence(loaded: LoadedNetwork, layers: Sequence[str], input_size: int, folder: str) -> Defended:
    """Change a loaded network's weights to those of a defence.

    Args:
        loaded: The undefended network; changed in place.
        layers: That it shall be tapped at: the defence's, and no other.
        input_size: Side in pixels of the square that it sees.
        folder: That `inverter defend` wrote.
    Raises:
        ValueError: The folder is damaged or was edited, or is of another network, layer, size or weights.
    """
    spec, network = read_defence(folder), loaded.network
    where = f"target.defence={folder!r}"
    given = {"name": loaded.name, "layer": "+".join(layers), "input_size": input_size}
    for key, value in given.items():
        if value != (own := getattr(spec.target, key)):
            raise ValueError(f"{where} was trained for target.{key}={own}, not {value}; allowed: {own}")
    if (digest := weights_sha256(network)) != spec.target.weights_sha256:
        raise ValueError(
            f"{where} was trained for weights {spec.target.weights_sha256[:12]} of {loaded.name}, "
            f"which has {digest[:12]} here"
        )
    tensors = read_tensors(Path(folder), spec.weights_sha256)
    (shape,) = layer_shapes(spec.target.feature_shape)
    try:
        changed, own = split_tensors(tensors)
        cut = None if spec.cut is None else make_cut(spec.cut, shape)
        check_weights(cut or nn.Identity(), own)
        state = network.state_dict()
        check_weights(network, {**state, **changed})
        with torch.no_grad():
            for name, value in changed.items():
                state[name].copy_(value)  # the state's tensors are the network's own
        if cut is not None:
            cut.load_state_dict(own)
    except ValueError as error:
        raise ValueError(f"{where}: {WEIGHTS} does not fit: {one_line(error)}") from error
    return Defended(spec.mark, cut, spec.payload)


def write_tensors(folder: Path, changed: Mapping[str, Tensor], cut: nn.Module | None) -> str:
    """Write ``model.safetensors``, whole or not at all; returns its SHA-256.

    Args:
        folder: Of the defence.
        changed: Entries of the network's state that are not as they were.
        cut: Modules where the network is cut.
    """
    own = {} if cut is None else cut.state_dict()
    named = {f"{NETWORK}{name}": value for name, value in changed.items()}
    named |= {f"{CUT}{name}": value for name, value in own.items()}
    data = save_tensors({name: value.detach().cpu().contiguous() for name, value in named.items()})
    write_bytes(folder / WEIGHTS, data)
    return hashlib.sha256(data).hexdigest()


def read_tensors(folder: Path, sha256: str) -> dict[str, Tensor]:
    """Tensors of ``model.safetensors`` with this hash.

    Raises:
        ValueError: The file is missing, damaged, or another one.
    """
    try:
        data = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise ValueError(f"target.defence={str(folder)!r}: {WEIGHTS} cannot be read: {one_line(error)}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"target.defence={str(folder)!r}: {WEIGHTS} is not the one that was trained; train it anew")
    try:
        return load_tensors(data)
    except SafetensorError as error:
        raise ValueError(f"target.defence={str(folder)!r}: {WEIGHTS} is damaged: {one_line(error)}") from error


def split_tensors(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Those of the network and those of the cut, under their own names.

    Raises:
        ValueError: One is of neither.
    """
    parts: dict[str, dict[str, Tensor]] = {NETWORK: {}, CUT: {}}
    for name, value in tensors.items():
        start = next((start for start in parts if name.startswith(start)), None)
        if start is None:
            raise ValueError(f"weight {name} begins with neither {' nor '.join(parts)}")
        parts[start][name.removeprefix(start)] = value
    return parts[NETWORK], parts[CUT]
