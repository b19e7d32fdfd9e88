"""What a saved state belongs to, in one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from torch import Tensor

from inverter.config import InvertConfig

MAY_CHANGE = ("input", "output", "device", "limit", "video")
MAY_CHANGE_IN_LOOP = ("max_seconds", "save_every_n_seconds", "resume")


def recipe(config: InvertConfig, keys: Sequence[str], features: Mapping[str, Tensor]) -> str:
    """SHA-256 of keys, features and every key of the configuration that changes the result.

    Where it runs, for how long, and whether features came from a picture or a file changes nothing.
    """
    values = {name: value for name, value in asdict(config).items() if name not in MAY_CHANGE}
    values["target"] = asdict(config.target.filled())
    values["loop"] = {name: value for name, value in values["loop"].items() if name not in MAY_CHANGE_IN_LOOP}
    digest = hashlib.sha256(json.dumps([values, list(keys)], sort_keys=True).encode())
    for layer in sorted(features):
        digest.update(features[layer].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
