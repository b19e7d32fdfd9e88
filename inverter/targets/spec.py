"""What a target is, as plain data: written into manifests and published inverters, readable without torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator
from typing_extensions import TypedDict

from inverter.config.strict import Count, Sha256, read_strictly, strict_dataclass
from inverter.targets.shape import (
    JOINT,
    FeatureShape,
    Shape,
    is_joint,
    layer_names,
    layer_shapes,
    read_shape,
    tensor_shape,
    to_lists,
)

RESIZE: Literal["bilinear-antialias"] = "bilinear-antialias"
"""The one way in which images reach the target's input size."""


class Preprocessing(TypedDict):
    """How pictures reach the network; mean and deviation are one number a colour channel, of images in [0, 1]."""

    resize: Literal["bilinear-antialias"]
    mean: Annotated[list[float], Field(min_length=3, max_length=3)]
    std: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=3, max_length=3)]


@strict_dataclass
class DefenceMark:
    """Which defence changed the device's half of a target.

    Args:
        kind: Such as ``nopeek``.
        sha256: Of all that its folder says, its weights among it.
    """

    kind: str
    sha256: Sha256

    def __str__(self) -> str:
        return f"{self.kind} ({self.sha256[:12]})"


@strict_dataclass
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
        defence: What changed the device's half by training; None: nothing did.
    Raises:
        ValueError: A field has another type, or a value that no target can have.
    """

    name: str
    layer: str
    input_size: Count
    feature_shape: Annotated[FeatureShape, PlainValidator(read_shape)]
    payload: str
    preprocessing: Preprocessing
    weights_sha256: Sha256
    defence: DefenceMark | None = None

    def __post_init__(self) -> None:
        shape = self.feature_shape
        names = layer_names(self.layer) if JOINT in self.layer else [self.layer]
        if len(names) != len(layer_shapes(shape)) or is_joint(shape) != (len(names) > 1):
            raise ValueError(f"feature_shape={shape!r} must hold one shape for each layer of {self.layer!r}")

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
        values = {**asdict(self), "feature_shape": to_lists(self.feature_shape)}
        if self.defence is None:  # as files of undefended targets have it
            del values["defence"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TargetSpec":
        """Read what ``to_dict`` wrote.

        Raises:
            ValueError: ``values`` is no mapping, misses a key, has another key, or a value is of the wrong type.
        """
        return read_strictly("target spec", cls, values, optional=("defence",))


SAME_FEATURES = ("defence", "layer", "input_size", "payload", "feature_shape", "weights_sha256")
SAME_PLACE = ("layer", "input_size", "feature_shape")
"""What features have in common that differ by a payload, or by what training did to the network."""


def check_same_features(what: str, wanted: TargetSpec, given: TargetSpec, keys: Sequence[str] = SAME_FEATURES) -> None:
    """Raise ValueError unless features of the target ``given`` are those of ``wanted``, which ``what`` was made for."""
    for key in keys:
        if getattr(wanted, key) != getattr(given, key):
            raise ValueError(
                f"{what} takes features of {wanted.name} with {key} {getattr(wanted, key)}; "
                f"the target at hand has {getattr(given, key)}"
            )
