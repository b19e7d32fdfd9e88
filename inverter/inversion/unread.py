"""Keys that were given and that nothing reads: an error where one asks for something, else a warning."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.config.keys import changed_keys, unread_error
from inverter.data.inputs import is_clip, is_sequence
from inverter.whitebox.config import InvertConfig

log = logging.getLogger(__name__)


def check_read(config: InvertConfig) -> None:
    """Look for keys without effect among those that differ from their defaults.

    A key of a section, such as ``latent.lr``, is a warning: one config file may hold the sections of several methods.
    Where the command line gave it, :func:`inverter.config.load_config` has refused it before.

    Raises:
        ValueError: A key outside of the sections, such as ``prompt``, is not read.
    """
    path = Path(config.input)
    unread = set()
    for key, mode, read_by in config.unread():
        if "." not in key:
            raise unread_error(key, getattr(config, key), mode, read_by)
        log.warning("%s has no effect with %s; it is read with %s", key, mode, ", ".join(read_by))
        unread.add(key)
    without_clip = {"video": not is_clip(path), "smoothing": not is_sequence(path)}
    for key in changed_keys(config, InvertConfig()):
        if key not in unread and without_clip.get(key.partition(".")[0]):
            log.warning("%s has no effect: input is no clip", key)
