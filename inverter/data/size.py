"""How large pair shards will be, said and compared with the free space before the first is written."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from inverter.data.shards import count_pairs

log = logging.getLogger(__name__)
BLOCK = 512  # bytes; a member of a tar is a header of one block and whole blocks of data
META_BYTES = 384  # text, label, group, clip and frame


def pair_bytes(
    feature_shape: tuple[int, ...], feature_dtype: str, resolution: int, latent_shape: tuple[int, ...] | None
) -> int:
    """Bytes of one pair in a shard: the picture is counted as if PNG could not compress it, the text as a short one.

    Args:
        feature_shape: Shape of one image's features.
        feature_dtype: ``float16`` or ``float32``.
        resolution: Side of the picture in pixels.
        latent_shape: Shape of one image's latents, stored as float16; None stores none.
    """
    members = [3 * resolution**2 + resolution, math.prod(feature_shape) * np.dtype(feature_dtype).itemsize, META_BYTES]
    if latent_shape is not None:
        members.append(math.prod(latent_shape) * 2)
    return sum(BLOCK + math.ceil((size + 128) / BLOCK) * BLOCK for size in members)  # 128: header of .npy or PNG


def check_space(sizes: Mapping[Path, int], num_pairs: int | None) -> None:
    """Say what is still to be written to each folder, and refuse what its disk has no room for.

    Args:
        sizes: Bytes of a pair by folder; the folders exist.
        num_pairs: Pairs of each folder in the end; None where the source does not know its length.
    Raises:
        ValueError: A disk has less free space than the missing pairs need.
    """
    needed: dict[int, int] = {}  # by disk
    for folder, size in sizes.items():
        if num_pairs is None:
            log.info("%s: pairs of about %s, nobody knows how many", folder, _readable(size))
            continue
        missing = num_pairs - count_pairs(folder)
        log.info("%s: %d pairs to write, about %s", folder, missing, _readable(missing * size))
        disk, free = folder.stat().st_dev, shutil.disk_usage(folder).free
        needed[disk] = needed.get(disk, 0) + missing * size
        if needed[disk] > free:
            raise ValueError(
                f"output: {folder} has {_readable(free)} free; the pairs need {_readable(needed[disk])}: "
                "take fewer pairs, another output, feature_dtype=float16 or latents=false"
            )


def _readable(size: float) -> str:
    power = min(len(f"{size:.0f}") - 1, 14) // 3
    return f"{size / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"
