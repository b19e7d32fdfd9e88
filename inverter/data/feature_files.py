"""Files of captured features: four formats, read without running anything, and their tensors as each image's."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from inverter.config.errors import one_line
from inverter.data.feature_axes import (
    SEVERAL,
    arrange,
    check_order,
    fit,
    is_batched,
    several_advice,
    split_axes,
    unbatched,
)
from inverter.data.files import extension
from inverter.data.npy import read_npy, read_npz
from inverter.data.torch_file import read_torch
from inverter.targets.shape import join_features
from inverter.targets.spec import TargetSpec

log = logging.getLogger(__name__)
SUFFIXES = (".npy", ".npz", ".safetensors", ".pt", ".pth")
NAMES = ", ".join(SUFFIXES)
DTYPES = ("float16", "float32", "float64")
_HDF5 = "h5py.File('features{0}')['NAME'][()]"
CONVERT = {
    ".ckpt": "torch.load('features{0}')['NAME'].float().cpu().numpy()",
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), "ARRAY"),
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), _HDF5),
    ".mat": "scipy.io.loadmat('features{0}')['NAME']",
    **dict.fromkeys((".parquet", ".arrow", ".feather", ".tfrecord"), "ARRAY"),
}
"""Kinds of files that features are also saved in, and what makes an array of each; none of them is read."""
PICKLED = (".ckpt", ".pkl", ".pickle", ".joblib")


def how_to_convert(path: Path) -> str:
    """That a file of another kind is not read, and how one that is trusted becomes ``.npy``."""
    kind = extension(path)
    reason = "pickled and never read" if kind in PICKLED else "which is not read"
    array = CONVERT[kind].format(kind)
    return f"{reason}; allowed: {NAMES}; convert what you trust: np.save('features.npy', {array})"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a feature file by name; one that has none, as in ``.npy``, is called ``features``.

    Raises:
        ValueError: The file is damaged, holds Python objects, or another kind of numbers than floating point.
    """
    try:
        match extension(path):
            case ".npy":
                return {"features": torch.from_numpy(read_npy(path.read_bytes(), DTYPES))}
            case ".npz":
                return {name: torch.from_numpy(array) for name, array in read_npz(path, DTYPES).items()}
            case ".pt" | ".pth":
                return read_torch(path)
        return load_file(path)
    except (ValueError, OSError, SafetensorError) as error:
        raise ValueError(f"feature file {path} cannot be read: {one_line(error)}") from error


def load_features(path: Path, axes: str | None = None) -> Tensor:
    """Captured features as they lie in a file, float32.

    Args:
        path: The file.
        axes: What its axes are, see :data:`inverter.data.feature_axes.AXES`; the result has them in the order of
            ``(B, C, h, w)``. None: those of one image, and a batch of one map loses its batch axis.
    Raises:
        ValueError: As :func:`read_tensors`; or several tensors of which none is called ``features``, several images
            where ``axes`` names no batch, or values that are not finite.
    """
    tensors = read_tensors(path)
    if len(tensors) != 1 and "features" not in tensors:
        reason = f"tensors {sorted(tensors)}; allowed: one tensor, or one called features"
        raise ValueError(f"feature file {path} cannot be read: {reason}")
    return _checked(path, tensors.get("features", next(iter(tensors.values()))), axes)


def load_layers(path: Path, layers: Sequence[str], axes: str | None = None) -> dict[str, Tensor]:
    """Features by layer, float32, as :func:`load_features` gives them.

    Args:
        path: With several layers a file with one tensor each, called after it; no ``.npy`` then.
        layers: Dotted names.
        axes: Of all layers, or those of each, in their order: ``CHW+D``.
    Raises:
        ValueError: As :func:`load_features`; or the file has not one tensor for each of several layers.
    """
    by_layer = dict(zip(layers, split_axes(axes, len(layers)), strict=True))
    if len(layers) == 1:
        return {layers[0]: load_features(path, axes)}
    tensors = read_tensors(path) if extension(path) != ".npy" else {}
    if set(tensors) != set(layers):
        needed = f"{sorted(layers)}, one tensor each ({NAMES.replace('.npy, ', '')})"
        raise ValueError(f"feature file {path} holds {sorted(tensors)}; needed: {needed}")
    return {layer: _checked(path, tensors[layer], by_layer[layer], layer) for layer in layers}


def load_images(path: Path, layers: Sequence[str], axes: str | None = None) -> list[dict[str, Tensor]]:
    """Features by layer of each image in a file, in the file's order: one image unless ``axes`` names a batch.

    Raises:
        ValueError: As :func:`load_layers`, or the layers have batches of different sizes.
    """
    by_layer = load_layers(path, layers, axes)
    if not is_batched(axes):
        return [by_layer]
    sizes = {layer: len(values) for layer, values in by_layer.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"feature file {path} holds batches of {sizes} images; allowed: one size")
    return [dict(zip(by_layer, rows, strict=True)) for rows in zip(*by_layer.values(), strict=True)]


def _checked(path: Path, values: Tensor, axes: str | None, layer: str = "") -> Tensor:
    """A tensor of a file as float32, its axes in order; ``layer`` names one of several."""
    what = f"{layer}: " if layer else ""
    features = unbatched(values) if axes is None else values
    if (axes is None and not 1 <= features.ndim <= 3) or not features.is_floating_point() or not features.numel():
        advice = SEVERAL.format("BCHW or BHWC") if features.ndim == 4 else ""
        raise ValueError(
            f"feature file {path} holds {what}{features.dtype} {tuple(features.shape)}; "
            f"allowed: floating point, (C, h, w), (N, D) or (D,) of one image{advice}"
        )
    if axes is not None:
        features = arrange(features, axes, f"feature file {path} holds {what}{features.dtype}")
    single = features.float()
    if not single.isfinite().all():
        large = features.dtype == torch.float64 and features.isfinite().all()
        fault = "numbers beyond the range of float32" if large else "NaN or infinity"
        raise ValueError(f"feature file {path} holds {what}{fault}; allowed: finite numbers")
    return single


def fitting(features: Mapping[str, Tensor], spec: TargetSpec, key: str, *, stated: bool = False) -> Tensor:
    """An image's features as they travel.

    Args:
        features: By layer, as they were read.
        spec: Of the target whose features they are.
        key: Names the image, for messages.
        stated: Whether it was said what the axes are; else a batch of one counts as the image, and a map that fits with
            its channels last alone is turned, which the log says.
    Raises:
        ValueError: A layer gives another shape, or a map fits with its channels first as well as last.
    """
    parts = []
    for layer, shape in spec.layers.items():
        given = tuple(features[layer].shape)
        if not stated:
            check_order(given, f"features of {key!r} have shape")
        fitted = fit(features[layer], shape) if not stated else features[layer] if given == shape else None
        if fitted is None:
            advice = "" if stated else several_advice(given, shape)
            raise ValueError(f"features of {key!r} have shape {given}; {layer} gives {shape}{advice}")
        if given != shape:
            _say_reading(given, shape, layer)
        parts.append(fitted[None])
    return join_features(parts)[0]


@cache
def _say_reading(given: tuple[int, ...], shape: tuple[int, ...], layer: str) -> None:
    """Say once how features are read whose axes nobody stated."""
    log.info(
        "features of shape %s are read as %s, the one way that fits %s; feature_axes states it", given, shape, layer
    )
