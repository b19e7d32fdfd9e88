"""What a layer returned: one tensor, channels first, or why it is none."""

import copy
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from einops import rearrange
from torch import Tensor


def single_tensor(output: Any) -> Tensor | str:
    """The one tensor that a layer returned, channels first, or what it returned instead, in words.

    Tuples, lists, mappings and dataclasses are looked into: ``(tensor, None)`` counts as one tensor.
    """
    parts = _parts(output)
    tensors = [part for part in parts.values() if isinstance(part, Tensor)]
    if len(tensors) == 1:
        output = tensors[0]
    if not isinstance(output, Tensor):
        named = ", ".join(f"{name}: {_describe(part)}" for name, part in parts.items())
        return f"{type(output).__name__}({named})" if parts else f"a {type(output).__name__}"
    if not output.is_floating_point() or not 2 <= output.ndim <= 4:
        return _describe(output)
    return channels_first(output)


def with_tensor(output: Any, features: Tensor) -> Any:
    """What a layer returned, with ``features``, channels first, in place of the tensor that ``single_tensor`` finds."""
    if isinstance(output, Tensor):
        return _like(output, features)
    if isinstance(output, Mapping):
        new = copy.copy(output)
        for name, part in output.items():
            if isinstance(part, Tensor):
                new[name] = _like(part, features)  # type: ignore[index]
        return new
    if is_dataclass(output) and not isinstance(output, type):
        (name,) = (name for name, part in _parts(output).items() if isinstance(part, Tensor))
        return replace(output, **{name: _like(getattr(output, name), features)})
    parts = [_like(part, features) if isinstance(part, Tensor) else part for part in output]
    return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)


def _like(tensor: Tensor, features: Tensor) -> Tensor:
    """Features, channels first, in a layer's own layout and precision."""
    if channels_first(tensor) is not tensor:
        features = rearrange(features, "b c h w -> b h w c")
    return features.to(tensor.dtype).clone()  # the layers behind may write into it


def channels_first(features: Tensor) -> Tensor:
    """A channels-last map ``(B, h, w, C)``, such as Swin's, as ``(B, C, h, w)``; anything else as it is.

    Networks see squares here, so the two sides of a map are equal: where the first two axes are equal and the last is
    not, the last holds the channels. A cube, whose axes are all equal, is taken as ``(B, C, h, w)``.
    """
    if features.ndim == 4 and features.shape[1] == features.shape[2] != features.shape[3]:
        return rearrange(features, "b h w c -> b c h w")
    return features


def _parts(output: Any) -> dict[str, Any]:
    """What a tuple, list, mapping or dataclass holds, by name or number; empty for anything else."""
    if isinstance(output, Mapping):
        return {str(name): part for name, part in output.items()}
    if isinstance(output, list | tuple):
        return dict(zip(getattr(output, "_fields", map(str, range(len(output)))), output, strict=True))
    if is_dataclass(output) and not isinstance(output, type):
        return {field.name: getattr(output, field.name) for field in fields(output)}
    return {}


def _describe(part: Any) -> str:
    if isinstance(part, Tensor):
        return f"a {str(part.dtype).removeprefix('torch.')} tensor of shape {tuple(part.shape)}"
    return f"a {type(part).__name__}"
