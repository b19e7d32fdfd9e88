"""Loading weights without the libraries' progress bars and notices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import diffusers.utils.logging
import transformers.utils.logging


@contextmanager
def quiet() -> Iterator[None]:
    """Only errors of diffusers and transformers are shown inside; their settings come back afterwards."""
    libraries = (diffusers.utils.logging, transformers.utils.logging)
    levels = [library.get_verbosity() for library in libraries]
    bars = transformers.utils.logging.is_progress_bar_enabled()
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level in zip(libraries, levels, strict=True):
            library.set_verbosity(level)
            if bars:
                library.enable_progress_bar()
