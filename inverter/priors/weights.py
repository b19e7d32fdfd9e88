"""Weight files of a prior's part: which ones are read, what they hash to, and the network that they fill."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from inverter.priors.index import read_object

STEMS = ("diffusion_pytorch_model", "model", "pytorch_lora_weights")
"""Names that diffusers, transformers and peft give to weights."""
VARIANTS = (None, "fp16", "bf16")
"""Copies of the weights in the order in which they are preferred: in full precision, then rounded ones."""


@dataclass(frozen=True)
class WeightFiles:
    """Files that are read of a part, and the variant that they are; None is full precision."""

    paths: tuple[Path, ...]
    variant: str | None


def find_weights(folder: Path) -> WeightFiles | None:
    """The safetensors of a part, in one file or in shards; None where there are none by the libraries' names.

    Raises:
        ValueError: An index of shards that is damaged, or names a shard that is not there.
    """
    for variant in VARIANTS:
        dot = f".{variant}" if variant else ""
        for stem in STEMS:
            single = folder / f"{stem}{dot}.safetensors"
            index = folder / f"{stem}.safetensors.index{dot}.json"
            # where both lie there, diffusers reads the shards, transformers the one file
            if index.is_file() and (stem == STEMS[0] or not single.is_file()):
                return WeightFiles(_shards(index), variant)
            if single.is_file():
                return WeightFiles((single,), variant)
    return None


def _shards(index: Path) -> tuple[Path, ...]:
    named = read_object(index).get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(name, str) for name in named.values()):
        raise ValueError(f"prior part {index} cannot be read: it holds no weight_map from weights to files")
    names = sorted(set(named.values()))
    for name in names:
        if Path(name).name != name or not (index.parent / name).is_file():
            raise ValueError(f"prior part {index} cannot be read: it names {name}, which is not beside it")
    return tuple(index.parent / name for name in names)


def check_weights_are_there(folder: Path, parts: Sequence[str]) -> list[str]:
    """Parts of a prior that have rounded weights alone.

    Raises:
        ValueError: A part has no safetensors, or only such as the libraries do not read.
    """
    rounded = []
    for part in parts:
        if (weights := find_weights(folder / part)) is None:
            others = sorted(path.name for path in (folder / part).glob("[!.]*.safetensors"))
            if others:
                allowed = ", ".join(f"{stem}.safetensors" for stem in STEMS[:2])
                raise ValueError(f"prior {folder}: {part} has weights in {', '.join(others)} only; allowed: {allowed}")
            raise ValueError(f"prior {folder}: {part} has no .safetensors weights; pickled weights are never read")
        if weights.variant is not None:
            rounded.append(part)
    return rounded


def load_pretrained(kind: Any, folder: Path, **options: Any) -> nn.Module:
    """A network with all of its weights; the libraries would fill missing ones with random numbers."""
    weights = find_weights(folder)
    options |= {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
    module, report = kind.from_pretrained(folder, variant=weights.variant if weights else None, **options)
    for problem in ("missing", "mismatched"):
        if keys := sorted(map(str, report[f"{problem}_keys"])):
            raise ValueError(f"{len(keys)} {problem} weights, such as {keys[0]}")
    return module


def folder_sha256(folder: Path, parts: Sequence[str]) -> str:
    """SHA-256 over the weight files that are read of some parts of a prior, in the order of their names."""
    digest = hashlib.sha256()
    for part in parts:
        weights = find_weights(folder / part)
        for file in weights.paths if weights else ():
            digest.update(f"{part}/{file.name}".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
