"""Files of captured features: read without unpickling, and what their axes can mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from einops import rearrange
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from inverter.config.errors import one_line
from inverter.data.files import extension
from inverter.data.npy import read_npy
from inverter.targets.shape import join_features
from inverter.targets.spec import TargetSpec

SUFFIXES = (".npy", ".safetensors")
DTYPES = ("float16", "float32", "float64")
_TORCH = "torch.load('features{0}').float().cpu().numpy()"
_HDF5 = "h5py.File('features{0}')['NAME'][()]"
CONVERT = {
    **dict.fromkeys((".pt", ".pth", ".ckpt"), _TORCH),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), "ARRAY"),
    ".npz": "np.load('features{0}')['NAME']",
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), _HDF5),
    ".mat": "scipy.io.loadmat('features{0}')['NAME']",
    **dict.fromkeys((".parquet", ".arrow", ".feather", ".tfrecord"), "ARRAY"),
}
"""Kinds of files that features are also saved in, and what makes an array of each; none of them is read."""
PICKLED = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")


def how_to_convert(path: Path) -> str:
    """That a file of another kind is not read, and how one that is trusted becomes ``.npy``."""
    kind = extension(path)
    reason = "pickled and never read" if kind in PICKLED else "which is not read"
    array = CONVERT[kind].format(kind)
    return f"{reason}; allowed: .npy or .safetensors; convert what you trust: np.save('features.npy', {array})"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a feature file by name; that of ``.npy`` is called ``features``.

    Raises:
        ValueError: The file is damaged, holds Python objects, or another kind of numbers than floating point.
    """
    try:
        if extension(path) == ".npy":
            return {"features": torch.from_numpy(read_npy(path.read_bytes(), DTYPES))}
        return load_file(path)
    except (ValueError, OSError, SafetensorError) as error:
        raise ValueError(f"feature file {path} cannot be read: {one_line(error)}") from error


def load_features(path: Path) -> Tensor:
    """Captured features as they lie in a file, float32; a batch of one map loses its batch axis.

    Raises:
        ValueError: As :func:`read_tensors`; or several tensors of which none is called ``features``, several images, or
            values that are not finite.
    """
    tensors = read_tensors(path)
    if len(tensors) != 1 and "features" not in tensors:
        reason = f"tensors {sorted(tensors)}; allowed: one tensor, or one called features"
        raise ValueError(f"feature file {path} cannot be read: {reason}")
    return _of_one_image(path, tensors.get("features", next(iter(tensors.values()))))


def _of_one_image(path: Path, values: Tensor, layer: str = "") -> Tensor:
    """A tensor of a file as one image's features, float32; ``layer`` names one of several."""
    features, what = unbatched(values), f"{layer}: " if layer else ""
    if not features.is_floating_point() or not 1 <= features.ndim <= 3 or not features.numel():
        advice = "; save features[0], features[1] and so on in a file each" if features.ndim == 4 else ""
        raise ValueError(
            f"feature file {path} holds {what}{features.dtype} {tuple(features.shape)}; "
            f"allowed: floating point, (C, h, w), (N, D) or (D,) of one image{advice}"
        )
    single = features.float()
    if not single.isfinite().all():
        large = features.dtype == torch.float64 and features.isfinite().all()
        fault = "numbers beyond the range of float32" if large else "NaN or infinity"
        raise ValueError(f"feature file {path} holds {what}{fault}; allowed: finite numbers")
    return single


def load_layers(path: Path, layers: Sequence[str]) -> dict[str, Tensor]:
    """One image's features by layer, float32, as they lie in the file.

    Args:
        path: With several layers a ``.safetensors`` with one tensor each.
        layers: Dotted names.
    Raises:
        ValueError: As :func:`load_features`; or the file has not one tensor for each of several layers.
    """
    if len(layers) == 1:
        return {layers[0]: load_features(path)}
    tensors = read_tensors(path) if extension(path) == ".safetensors" else {}
    if set(tensors) != set(layers):
        raise ValueError(f"feature file {path} holds {sorted(tensors)}; allowed: .safetensors with {sorted(layers)}")
    return {layer: _of_one_image(path, tensors[layer], layer) for layer in layers}


def fitting(features: Mapping[str, Tensor], spec: TargetSpec, key: str) -> Tensor:
    """An image's features as they travel; a batch of one counts as the image, and a channels-last map is turned.

    Args:
        features: By layer, as they were read.
        spec: Of the target whose features they are.
        key: Names the image, for messages.
    Raises:
        ValueError: A layer gives another shape.
    """
    parts = []
    for layer, shape in spec.layers.items():
        found = tuple(features[layer].shape)
        if (fitted := fit(features[layer], shape)) is None:
            advice = split_advice(found, shape)
            raise ValueError(f"features of {key!r} have shape {found}; {layer} gives {shape}{advice}")
        parts.append(fitted[None])
    return join_features(parts)[0]


def unbatched(features: Tensor) -> Tensor:
    """A map ``(C, h, w)`` out of a batch of one; anything else as it is."""
    return features[0] if features.ndim == 4 and len(features) == 1 else features


def possible_shapes(shape: tuple[int, ...]) -> dict[tuple[int, ...], str]:
    """Shapes that one image's features may have which lie in an array of this shape, and what each means.

    More than one where axes do not say what they are: a first axis of 1 may be the batch, and a map whose sides differ
    may hold its channels first or last.

    Args:
        shape: Of an array of 1 to 3 axes.
    """
    found = {shape: {1: "a vector", 2: "tokens", 3: "a map, channels first"}[len(shape)]}
    if len(shape) > 1 and shape[0] == 1:
        found |= {inner: f"{what} in a batch of one" for inner, what in possible_shapes(shape[1:]).items()}
    elif len(shape) == 3 and shape[1] != shape[2]:
        found[(shape[2], *shape[:2])] = "a map, channels last"
    return found


def fit(features: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Features of one image as ``shape``; None where they do not have it.

    A batch of one loses its axis, and a channels-last map is turned.

    Args:
        features: As they were read.
        shape: What the layer gives for one image.
    """
    while tuple(features.shape) != shape and features.ndim > 1 and len(features) == 1:
        features = features[0]
    if tuple(features.shape) == shape:
        return features
    turned = features.ndim == 3 and (features.shape[2], *features.shape[:2]) == shape
    return rearrange(features, "h w c -> c h w").contiguous() if turned else None


def split_advice(found: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """What to do where an array holds several images; ``""`` where it does not."""
    return "; save features[0], features[1] and so on in a file each" if found[1:] == shape else ""
