"""One pair to the members of a tar and back: image, features, latents and text, nothing of it unpickled."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.data.manifest import FEATURE_DTYPES, Manifest
from inverter.data.npy import read_npy

IMAGE, FEATURES, LATENTS, META = "png", "features.npy", "latents.npy", "json"
MEMBERS = (IMAGE, FEATURES, LATENTS, META)
_META_TYPES = {"text": str, "label": int, "group": str, "clip": str, "frame": int}


def encode_pair(
    image: Tensor, features: np.ndarray, latents: np.ndarray | None, meta: Mapping[str, Any]
) -> dict[str, bytes]:
    """Bytes of each member of a sample by its extension, as :func:`decode_pair` takes them.

    Raises:
        ValueError: ``meta`` could not be read back.
    """
    members = {IMAGE: _encode_image(image), FEATURES: _encode_array(features)}
    if latents is not None:
        members[LATENTS] = _encode_array(latents)
    members[META] = json.dumps(meta).encode()
    _decode_meta(members[META])
    return members


def decode_pair(key: str, members: Mapping[str, bytes], shard: str, manifest: Manifest) -> dict[str, Any]:
    """Decode one sample's members; other members are ignored and nothing is unpickled.

    Args:
        key: Sample key.
        members: Bytes of each member by its extension.
        shard: Name of the shard, for messages.
        manifest: Says what the sample must hold.
    Returns:
        ``key``, ``image`` uint8 ``(3, S, S)``, ``features`` and ``latents`` as stored, ``text``, ``label``, ``group``,
        ``clip``, ``frame``.
    Raises:
        ValueError: A member is missing, cannot be decoded or is not what the manifest says; the message names shard and
            key.
    """
    wanted = [member for member in MEMBERS if manifest.latents or member != LATENTS]
    for member in wanted:
        if member not in members:
            raise ValueError(f"shard {shard}: sample {key!r} has no {key}.{member}; needed: {', '.join(wanted)}")
    try:
        pair: dict[str, Any] = {"key": key, "image": _decode_image(members[IMAGE], manifest.resolution)}
        pair["features"] = _decode_array("features", members[FEATURES], [manifest.feature_dtype])
        if pair["features"].shape != manifest.target.tensor_shape:
            raise ValueError(f"features {pair['features'].shape}; the manifest says {manifest.target.tensor_shape}")
        if manifest.latents:
            pair["latents"] = _decode_array("latents", members[LATENTS], FEATURE_DTYPES)
        return pair | _decode_meta(members[META])
    except ValueError as error:
        raise ValueError(f"shard {shard}: sample {key!r} cannot be decoded: {one_line(error)}") from error


def to_array(what: str, values: Tensor, dtype: str) -> np.ndarray:
    """Values as they are stored.

    Raises:
        ValueError: They are not finite, or ``dtype`` cannot hold them; the message calls them ``what``.
    """
    array = values.detach().cpu().float().numpy()
    if not np.isfinite(array).all():
        raise ValueError(f"{what} hold NaN or infinity; try precision=fp32, a float32 target or another layer")
    with np.errstate(over="ignore"):
        stored = array.astype(dtype)
    if not np.isfinite(stored).all():
        peak = float(np.abs(array).max())
        raise ValueError(f"{what} reach {peak:g}, float16 ends at 65504; set feature_dtype=float32")
    return stored


def _encode_array(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _encode_image(image: Tensor) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rearrange(image, "c h w -> h w c").cpu().numpy()).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def _decode_array(what: str, data: bytes, dtypes: Sequence[str]) -> np.ndarray:
    array = read_npy(data, dtypes)
    if not np.isfinite(array).all():
        raise ValueError(f"{what} hold NaN or infinity; allowed: finite numbers")
    return array


def _decode_image(data: bytes, side: int) -> Tensor:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            layout = (picture.mode, *picture.size)
            if layout == ("RGB", side, side):
                return rearrange(torch.from_numpy(np.array(picture)), "h w c -> c h w")
    except Exception as error:  # decoders of damaged files fail with errors of many classes
        raise ValueError("image is no PNG, or a damaged one") from error
    raise ValueError(f"image is {layout}; the manifest says {('RGB', side, side)}")


def _decode_meta(data: bytes) -> dict[str, Any]:
    values = parse_json(data)
    for name, kind in _META_TYPES.items():
        if not isinstance(values, dict) or type(values.get(name)) is not kind:
            raise ValueError(f"json must be an object with {name}, of type {kind.__name__}")
        if kind is str:
            values[name].encode()  # half of a surrogate pair is JSON, but no text that can be written
        elif not -(2**63) <= values[name] < 2**63:
            raise ValueError(f"{name} is {values[name]}; allowed: 64 bits")
    return {name: values[name] for name in _META_TYPES}
