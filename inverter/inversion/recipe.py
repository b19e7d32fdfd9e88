"""What a saved state belongs to, in one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from torch import Tensor

from inverter.config import MemoryConfig
from inverter.whitebox.config import InvertConfig

MAY_CHANGE = ("input", "output", "device", "limit", "video")
SAID_BY_CONTENT = ("prompt", "prompts", "prompt_kind", "prior", "inverter")
MAY_CHANGE_WITHIN = {"loop": ("max_seconds", "save_every_n_seconds", "resume"), "latent": ("kept_steps",)}


def recipe(
    config: InvertConfig,
    keys: Sequence[str],
    features: Mapping[str, Tensor],
    prompts: Sequence[str | None] | None,
    weights: Mapping[str, str | None],
) -> str:
    """SHA-256 of everything that changes the result.

    Where it runs, for how long, and whether features came from a picture or a file changes nothing; prompts and weights
    count by what they are, whatever file or name they came by.

    Args:
        config: Of the attack.
        keys: Of the images.
        features: Their features by layer.
        prompts: Theirs, as chosen.
        weights: Hashes of target, prior and inverter.
    """
    left_out = (*MAY_CHANGE, *SAID_BY_CONTENT)
    values = {name: value for name, value in asdict(config).items() if name not in left_out}
    values["target"] = asdict(config.target.filled())
    del values["target"]["defence"]  # its weights count
    if config.memory == MemoryConfig():
        del values["memory"]  # as states of older versions have it
    for group, names in MAY_CHANGE_WITHIN.items():
        values[group] = {name: value for name, value in values[group].items() if name not in names}
    parts = [values, list(keys), list(prompts or []), dict(weights)]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for layer in sorted(features):
        digest.update(features[layer].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
