"""Features captured elsewhere: a folder of pictures and a folder of feature files, no target at hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from inverter.config.errors import one_line
from inverter.data.npy import read_npy
from inverter.data.pictures import read_picture
from inverter.data.sources.folder import FolderSource
from inverter.data.sources.source import SourceImage
from inverter.run.parse import parse_json
from inverter.targets.output import channels_first
from inverter.targets.spec import RESIZE, TargetSpec

SUFFIXES = (".npy", ".safetensors")
DTYPES = ("float16", "float32", "float64")
UNKNOWN_SHA256 = "0" * 64
"""Stands for the hash of weights that nobody told us."""


class CapturedSource(FolderSource):
    """Pictures of a folder, each with the features in the file of the same relative path and stem.

    Args:
        folder: The pictures.
        features: Folder of ``.npy`` or ``.safetensors`` files (one tensor, or the one called ``features``), without a
            batch dimension; ``spec.json`` in it may hold the target's spec.
        shard_size: Pictures a shard.
        num_images: Take the first pictures only; None takes all.
    Raises:
        ValueError: A folder is missing or empty, a picture has no feature file of its own, or ``spec.json`` is invalid.
    """

    def __init__(self, folder: Path, features: Path, shard_size: int, num_images: int | None = None) -> None:
        super().__init__(folder, shard_size, num_images)
        if not features.is_dir():
            raise ValueError(f"features={features} is no folder")
        self.feature_files = [self._partner(path, features) for path in self.files]
        if len(set(self.feature_files)) < len(self.files):
            twice = next(one for one, two in pairwise(sorted(self.feature_files)) if one == two)
            raise ValueError(f"{twice} belongs to more than one picture of {folder}; allowed: one picture a stem")
        self.spec = read_spec(features, self.feature_files[0])

    def shard(self, index: int) -> Iterator[SourceImage]:
        for number in self.numbers(index):
            path, partner = self.files[number], self.feature_files[number]
            features = load_features(partner)
            if tuple(features.shape) != self.spec.feature_shape:
                raise ValueError(f"{partner} has shape {tuple(features.shape)}; needed: {self.spec.feature_shape}")
            yield SourceImage(self.keys[number], read_picture(path, str(path)), features=features)

    def _partner(self, path: Path, features: Path) -> Path:
        stem = path.relative_to(self.folder).with_suffix("")
        found = [features / stem.with_name(stem.name + suffix) for suffix in SUFFIXES]
        found = [candidate for candidate in found if candidate.is_file()]
        if len(found) != 1:
            names = " or ".join(f"{stem}{suffix}" for suffix in SUFFIXES)
            raise ValueError(
                f"picture {path} needs exactly one feature file in {features}: {names}; found {len(found)}"
            )
        return found[0]


def load_features(path: Path) -> Tensor:
    """One image's captured features as float32; a channels-last map is turned as :class:`Target` turns it.

    A map may have a batch dimension, of 1.

    Raises:
        ValueError: The file cannot be read without unpickling, or holds no floating-point array of 1 to 3 axes.
    """
    try:
        if path.suffix == ".npy":
            features = torch.from_numpy(read_npy(path.read_bytes(), DTYPES))
        else:
            tensors = load_file(path)
            if len(tensors) != 1 and "features" not in tensors:
                raise ValueError(f"tensors {sorted(tensors)}; allowed: one tensor, or one called features")
            features = tensors.get("features", next(iter(tensors.values())))
    except (ValueError, OSError, SafetensorError) as error:
        raise ValueError(f"feature file {path} cannot be read: {one_line(error)}") from error
    features = unbatched(features)
    if not features.is_floating_point() or not 1 <= features.ndim <= 3:
        advice = "; save features[0], features[1] and so on in a file each" if features.ndim == 4 else ""
        raise ValueError(
            f"feature file {path} holds {features.dtype} {tuple(features.shape)}; "
            f"allowed: floating point, (C, h, w), (N, D) or (D,) of one image{advice}"
        )
    if not features.isfinite().all():
        raise ValueError(f"feature file {path} holds NaN or infinity; allowed: finite numbers")
    return channels_first(features[None].float())[0]


def unbatched(features: Tensor) -> Tensor:
    """A map ``(C, h, w)`` out of a batch of one; anything else as it is."""
    return features[0] if features.ndim == 4 and len(features) == 1 else features


def read_spec(folder: Path, first: Path) -> TargetSpec:
    """The target's spec from ``folder/spec.json``, or one that says ``captured`` and takes its shape from ``first``."""
    path = folder / "spec.json"
    if path.is_file():
        try:
            return TargetSpec.from_dict(parse_json(path.read_bytes()))
        except ValueError as error:
            raise ValueError(f"{path}: {one_line(error)}") from error
    return TargetSpec(
        name="captured",
        layer="unknown",
        input_size=1,
        feature_shape=tuple(load_features(first).shape),
        payload="identity",
        preprocessing={"resize": RESIZE, "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
        weights_sha256=UNKNOWN_SHA256,
    )
