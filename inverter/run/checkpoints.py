"""Checkpoints of Lightning, read without unpickling and only into the network that they are of."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from packaging.version import InvalidVersion, Version
from torch import Tensor, nn

from inverter.config.errors import one_line

_ADVICE = "train in a new output, or set resume=false"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Contents of a checkpoint: tensors and plain data.

    Raises:
        ValueError: It is damaged, holds anything else, or is no checkpoint.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle and torch fail with errors of many classes
        wrong = "holds more than tensors and plain data" if isinstance(error, UnpicklingError) else "is damaged"
        raise ValueError(f"checkpoint {path} {wrong}; {_ADVICE}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise ValueError(f"checkpoint {path} holds no state_dict; {_ADVICE}")
    return checkpoint


def load_weights(module: nn.Module, path: Path) -> dict[str, Any]:
    """Fill a module with a checkpoint's weights, and return the checkpoint.

    Raises:
        ValueError: The checkpoint cannot be read, or is of another network.
    """
    checkpoint = read_checkpoint(path)
    fill_weights(module, checkpoint, path)
    return checkpoint


def fill_weights(module: nn.Module, checkpoint: dict[str, Any], path: Path) -> None:
    """Fill a module with the weights of what :func:`read_checkpoint` read.

    Raises:
        ValueError: They are of another network.
    """
    _check_network(module, checkpoint["state_dict"], path)
    module.load_state_dict(checkpoint["state_dict"])


def check_resumable(module: nn.Module, path: Path, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Raise ValueError unless training of ``module`` can go on from a checkpoint.

    Args:
        module: What is trained.
        path: The checkpoint.
        optimizer: A fresh one of the training, whose settings become the checkpoint's.
    """
    import lightning as L

    checkpoint = read_checkpoint(path)
    try:
        version = Version(str(checkpoint.get("pytorch-lightning_version")))
    except InvalidVersion as error:
        raise ValueError(f"checkpoint {path} is not of Lightning; {_ADVICE}") from error
    if version > Version(L.__version__):
        raise ValueError(f"checkpoint {path} is of Lightning {version}, here is {L.__version__}; {_ADVICE}")
    _check_network(module, checkpoint["state_dict"], path)
    if optimizer is not None:
        _check_optimizer(optimizer, checkpoint, path)


def _check_optimizer(optimizer: torch.optim.Optimizer, checkpoint: dict[str, Any], path: Path) -> None:
    needed = [set(group) for group in optimizer.param_groups]
    try:
        (saved,) = checkpoint["optimizer_states"]
        optimizer.load_state_dict({"state": {}, "param_groups": saved["param_groups"]})  # fills in what came later
        pairs = zip(needed, optimizer.param_groups, strict=True)
        if missing := {key for keys, group in pairs for key in keys - group.keys()}:
            raise ValueError(f"its groups lack {sorted(missing)}")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"checkpoint {path} is of another optimizer: {one_line(error)}; {_ADVICE}") from error


def _check_network(module: nn.Module, state: dict[str, Any], path: Path) -> None:
    try:
        check_weights(module, state)
    except ValueError as error:
        raise ValueError(f"checkpoint {path} is of another network: {error}; {_ADVICE}") from error


def check_weights(module: nn.Module, state: dict[str, Any]) -> None:
    """Raise ValueError unless a state dict has the names and shapes of a module's."""
    mine, given = _shapes(module.state_dict()), _shapes(state)
    for key in sorted(mine.keys() | given.keys()):
        if mine.get(key) != given.get(key):
            raise ValueError(f"weight {key} is {given.get(key, 'absent')}; needed: {mine.get(key, 'absent')}")


def _shapes(state: dict[str, Any]) -> dict[str, str]:
    return {str(k): str(tuple(v.shape)) if isinstance(v, Tensor) else type(v).__name__ for k, v in state.items()}
