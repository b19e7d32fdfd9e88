"""Keys that were given and that nothing reads: an error where one asks for something, else a warning."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.config.keys import changed_keys, find_unread, unread_error
from inverter.data.inputs import is_clip, is_sequence
from inverter.whitebox.config import InvertConfig
from inverter.whitebox.methods import METHODS

log = logging.getLogger(__name__)
BLACKBOX = ("mean", "sample")


def check_read(config: InvertConfig) -> None:
    """Look for keys without effect among those that differ from their defaults.

    A key of a section, such as ``latent.lr``, is a warning: one config file may hold the sections of several methods.

    Raises:
        ValueError: A key outside of the sections, such as ``prompt``, is not read.
    """
    mode = config.operating_point if config.method == "blackbox" else config.method
    path = Path(config.input)
    unread = dict(find_unread(config, InvertConfig(), readers(), (mode,)))
    for key, read_by in unread.items():
        named = [_named(each) for each in read_by]
        if "." not in key:
            raise unread_error(key, getattr(config, key), _named(mode), named)
        log.warning("%s has no effect with %s; it is read with %s", key, _named(mode), ", ".join(named))
    without_clip = {"video": not is_clip(path), "smoothing": not is_sequence(path)}
    for key in changed_keys(config, InvertConfig()):
        if key not in unread and without_clip.get(key.partition(".")[0]):
            log.warning("%s has no effect: input is no clip", key)


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
