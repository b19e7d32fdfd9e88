"""What a target is, as plain data: written into manifests and published inverters, readable without torch."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from inverter.targets.shape import (
    JOINT,
    FeatureShape,
    Shape,
    from_lists,
    is_count,
    is_feature_shape,
    is_joint,
    layer_names,
    layer_shapes,
    tensor_shape,
    to_lists,
)

RESIZE = "bilinear-antialias"
"""The one way in which images reach the target's input size."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class TargetSpec:
    """A frozen network tapped at a layer, or at several jointly, described so that features can be matched to it later.

    Args:
        name: ``timm:NAME``, ``torchvision:NAME``, ``module:pkg.mod:factory`` or the class name of a module given in
            Python.
        layer: Dotted name as in ``named_modules()``; joint layers as ``blocks.2+blocks.6``.
        input_size: Side in pixels of the square that the network sees.
        feature_shape: Shape of one image's features, ``(C, h, w)``, ``(N, D)`` or ``(D,)``; of joint layers, whose
            features travel flattened one after the other, one such shape a layer.
        payload: What travels, such as ``identity``, ``int8`` or ``topk:0.1+int8``, see :mod:`inverter.payloads`.
        preprocessing: ``resize`` (a name), ``mean`` and ``std`` (one number a colour channel, images in [0, 1]).
        weights_sha256: SHA-256 over the network's state dict.
    Raises:
        ValueError: A field has another type, or a value that no target can have.
    """

    name: str
    layer: str
    input_size: int
    feature_shape: FeatureShape
    payload: str
    preprocessing: dict[str, Any]
    weights_sha256: str

    def __post_init__(self) -> None:
        for key in ("name", "layer", "payload", "weights_sha256"):
            if not isinstance(getattr(self, key), str):
                raise ValueError(f"target spec: {key}={getattr(self, key)!r} must be a string")
        if not is_count(self.input_size):
            raise ValueError(f"target spec: input_size={self.input_size!r} must be a positive integer")
        shape = self.feature_shape
        if not is_feature_shape(shape):
            raise ValueError(f"target spec: feature_shape={shape!r} must hold 1 to 3 positive integers")
        names = layer_names(self.layer) if JOINT in self.layer else [self.layer]
        if len(names) != len(layer_shapes(shape)) or is_joint(shape) != (len(names) > 1):
            raise ValueError(
                f"target spec: feature_shape={shape!r} must hold one shape for each layer of {self.layer!r}"
            )
        if not _SHA256.fullmatch(self.weights_sha256):
            raise ValueError(f"target spec: weights_sha256={self.weights_sha256!r} must be 64 hexadecimal digits")
        _check_preprocessing(self.preprocessing)

    @property
    def num_features(self) -> int:
        """Numbers per image that travel."""
        return math.prod(self.tensor_shape)

    @property
    def tensor_shape(self) -> Shape:
        """Shape of the tensor that holds one image's features: ``feature_shape``, ``(D,)`` of joint layers."""
        return tensor_shape(self.feature_shape)

    @property
    def layers(self) -> dict[str, Shape]:
        """Shape of one image's features by layer; one, or several that are joint."""
        return dict(zip(self.layer.split(JOINT), layer_shapes(self.feature_shape), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, strings and numbers, for JSON and YAML; ``from_dict`` reads it back."""
        return {**asdict(self), "feature_shape": to_lists(self.feature_shape)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TargetSpec":
        """Read what ``to_dict`` wrote.

        Raises:
            ValueError: ``values`` is no mapping, misses a key, has another key, or a value is of the wrong type.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"target spec: must be a mapping, got {type(values).__name__}")
        allowed = {field.name for field in fields(cls)}
        missing, unknown = allowed - set(values), set(values) - allowed
        if missing or unknown:
            raise ValueError(
                f"target spec: missing keys {sorted(missing)}, unknown keys {sorted(map(str, unknown))}; "
                f"allowed are {sorted(allowed)}"
            )
        shape = values["feature_shape"]
        if not isinstance(shape, list | tuple):
            raise ValueError(f"target spec: feature_shape={shape!r} must hold 1 to 3 positive integers")
        return cls(**{**values, "feature_shape": from_lists(shape)})


def check_same_features(what: str, wanted: TargetSpec, found: TargetSpec) -> None:
    """Raise ValueError unless features of the target ``found`` are those of ``wanted``, which ``what`` was made for."""
    for key in ("layer", "input_size", "payload", "feature_shape", "weights_sha256"):
        if getattr(wanted, key) != getattr(found, key):
            raise ValueError(
                f"{what} takes features of {wanted.name} with {key} {getattr(wanted, key)}; "
                f"the target at hand has {getattr(found, key)}"
            )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < math.inf


def _check_preprocessing(preprocessing: Any) -> None:
    if not isinstance(preprocessing, dict) or set(preprocessing) != {"resize", "mean", "std"}:
        raise ValueError(f"target spec: preprocessing={preprocessing!r} must have the keys ['mean', 'resize', 'std']")
    if preprocessing["resize"] != RESIZE:
        raise ValueError(f"target spec: preprocessing.resize={preprocessing['resize']!r} must be {RESIZE!r}")
    for key in ("mean", "std"):
        numbers = preprocessing[key]
        if not isinstance(numbers, list) or len(numbers) != 3 or not all(map(_is_number, numbers)):
            raise ValueError(f"target spec: preprocessing.{key}={numbers!r} must be a list of 3 numbers")
    if min(preprocessing["std"]) <= 0:
        raise ValueError(f"target spec: preprocessing.std={preprocessing['std']!r} must be positive")
