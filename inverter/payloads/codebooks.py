"""Codebooks of product quantisation: found by a hash of their contents, kept as safetensors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from inverter.config.errors import one_line
from inverter.run.files import write_bytes

_KNOWN: dict[str, Tensor] = {}


def remember(codebooks: Tensor) -> str:
    """Name of codebooks ``(M, K, d)``, float32, which :func:`recall` finds them by from now on in this process."""
    codebooks = codebooks.float().contiguous()
    digest = hashlib.sha256(repr(tuple(codebooks.shape)).encode() + codebooks.numpy().tobytes()).hexdigest()[:16]
    _KNOWN[digest] = codebooks
    return digest


def recall(digest: str) -> Tensor:
    """Codebooks ``(M, K, d)`` of a name.

    Raises:
        ValueError: They were neither fitted nor read in this process.
    """
    if digest not in _KNOWN:
        raise ValueError(
            f"codebooks {digest} are not at hand; allowed: {file_name(digest)} beside the pairs that are read, or its "
            "path in place of the name"
        )
    return _KNOWN[digest]


def read_codebooks(data: bytes, where: str) -> str:
    """Name of the codebooks in a file.

    Args:
        data: The whole file.
        where: Names it, for messages.
    Raises:
        ValueError: It is no safetensors, or holds something else.
    """
    try:
        tensors = load(data)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"codebooks {where} cannot be read: {one_line(error)}") from error
    found = tensors.get("codebooks", torch.zeros(0))
    if len(tensors) != 1 or found.ndim != 3 or found.dtype != torch.float32 or not found.isfinite().all():
        raise ValueError(f"codebooks {where} hold {sorted(tensors)}; allowed: codebooks, finite float32 (M, K, d)")
    return remember(found)


def file_name(digest: str) -> str:
    """Name of the file that holds codebooks."""
    return f"codebooks-{digest}.safetensors"


def named_in(payload: str) -> list[str]:
    """Names of the codebooks in the name of a payload, which a spec holds."""
    return re.findall(r"(?:^|\+)pq:[^:+]+:([0-9a-f]{16})(?=\+|$)", payload)


def save_codebooks(folder: Path, payload: str) -> None:
    """Write a payload's codebooks into a folder, where it has any."""
    for digest in named_in(payload):
        write_bytes(folder / file_name(digest), save({"codebooks": recall(digest)}))


def load_codebooks(payload: str, open_file: Callable[[str], BinaryIO]) -> None:
    """Read a payload's codebooks that lie beside pairs, if they do and are not known yet.

    Args:
        payload: Its name.
        open_file: Opens a file beside the pairs by its name.
    Raises:
        ValueError: The file is damaged, or holds others.
    """
    for digest in named_in(payload):
        if digest in _KNOWN:
            continue
        try:
            with open_file(file_name(digest)) as stream:
                found = read_codebooks(stream.read(), file_name(digest))
        except FileNotFoundError:
            continue
        if found != digest:
            raise ValueError(f"codebooks {file_name(digest)} hold those of {found}; write the pairs again")
