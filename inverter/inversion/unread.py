"""Keys that were given and that nothing reads: an error where one asks for something, else a warning."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.config import InvertConfig, changed_keys
from inverter.data.inputs import is_clip, is_sequence

log = logging.getLogger(__name__)
BLACKBOX = ("mean", "sample")
WHITEBOX = ("direct", "latent", "guided", "hybrid")
PROMPTED = ("sample", "latent", "guided", "hybrid")
READ_BY = {  # key or section: operating points and methods that read it; others are read by all
    "operating_point": BLACKBOX,
    "strength": ("sample",),
    "prompt": PROMPTED,
    "prompts": PROMPTED,
    "prompt_kind": PROMPTED,
    "guidance_scale": PROMPTED,
    "layers": WHITEBOX,
    "image_size": ("direct",),
    "loop": WHITEBOX,
    "smoothing": WHITEBOX,
    **{method: (method,) for method in WHITEBOX},
}


def check_read(config: InvertConfig) -> None:
    """Look for keys without effect among those that differ from their defaults.

    A key of a section, such as ``latent.lr``, is a warning: one config file may hold the sections of several methods.

    Raises:
        ValueError: A key outside of the sections, such as ``prompt``, is not read.
    """
    mode = config.operating_point if config.method == "blackbox" else config.method
    path = Path(config.input)
    without_clip = {"video": not is_clip(path), "smoothing": not is_sequence(path)}
    for key in changed_keys(config, InvertConfig()):
        section, dot, _ = key.partition(".")
        readers = READ_BY.get(section, (mode,))
        if mode in readers:
            if without_clip.get(section):
                log.warning("%s has no effect: input is no clip", key)
            continue
        read_by = ", ".join(map(_named, readers))
        if not dot:
            value = getattr(config, key)
            raise ValueError(f"{key} is {value!r}, which {_named(mode)} does not read; allowed: with {read_by}")
        log.warning("%s has no effect with %s; it is read with %s", key, _named(mode), read_by)


def _named(mode: str) -> str:
    return f"{'operating_point' if mode in BLACKBOX else 'method'}={mode}"
