"""Keys that were given and that nothing reads: an error where one asks for something, else a warning."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.config import InvertConfig, changed_keys
from inverter.data.inputs import is_clip, is_sequence
from inverter.whitebox.methods import METHODS

log = logging.getLogger(__name__)
BLACKBOX = ("mean", "sample")


def check_read(config: InvertConfig) -> None:
    """Look for keys without effect among those that differ from their defaults.

    A key of a section, such as ``latent.lr``, is a warning: one config file may hold the sections of several methods.

    Raises:
        ValueError: A key outside of the sections, such as ``prompt``, is not read.
    """
    known = readers()
    mode = config.operating_point if config.method == "blackbox" else config.method
    path = Path(config.input)
    without_clip = {"video": not is_clip(path), "smoothing": not is_sequence(path)}
    for key in changed_keys(config, InvertConfig()):
        section, dot, _ = key.partition(".")
        read_by = known.get(section, (mode,))
        if mode in read_by:
            if without_clip.get(section):
                log.warning("%s has no effect: input is no clip", key)
            continue
        named = ", ".join(map(_named, read_by))
        if not dot:
            value = getattr(config, key)
            raise ValueError(f"{key} is {value!r}, which {_named(mode)} does not read; allowed: with {named}")
        log.warning("%s has no effect with %s; it is read with %s", key, _named(mode), named)


def _named(mode: str) -> str:
    return f"{'operating_point' if mode in BLACKBOX else 'method'}={mode}"


def readers() -> dict[str, tuple[str, ...]]:
    """Key or section to the operating points and methods that read it; others are read by all."""
    whitebox = METHODS.names()
    prompted = ("sample", *(name for name in whitebox if METHODS[name].prompted))
    return {
        "operating_point": BLACKBOX,
        "strength": ("sample",),
        **dict.fromkeys(("prompt", "prompts", "prompt_kind", "guidance_scale"), prompted),
        **dict.fromkeys(("layers", "loop", "smoothing"), whitebox),
        "image_size": tuple(name for name in whitebox if not METHODS[name].needs_prior),
        **{name: (name,) for name in whitebox},
    }
