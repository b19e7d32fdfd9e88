"""Stage ``invert``: pictures back from features, or from what a target makes of given pictures."""

from __future__ import annotations

from pathlib import Path

from inverter.data.url import is_url
from inverter.inversion.recon import check_apart
from inverter.inversion.unread import check_read
from inverter.stages import invert_blackbox, invert_whitebox
from inverter.whitebox.config import OPERATING_POINTS, InvertConfig
from inverter.whitebox.methods import METHODS


def run(config: InvertConfig) -> Path:
    """Write ``OUTPUT/recon/KEY.png`` for every input, ``OUTPUT/preview.png`` and ``OUTPUT/summary.json``.

    Raises:
        ValueError: An unknown method or operating point, a key that these do not read, an input that cannot be read,
            features that do not fit, or an output that another run is writing to or that would overwrite the input.
    """
    for key, allowed in (("method", ("blackbox", *METHODS.names())), ("operating_point", OPERATING_POINTS)):
        if getattr(config, key) not in allowed:
            raise ValueError(f"{key} is {getattr(config, key)!r}; allowed: {', '.join(allowed)}")
    if is_url(config.input):
        raise ValueError(f"input is {config.input!r}, a URL; allowed: a file or folder, so fetch it first")
    check_read(config)
    check_apart(Path(config.input), Path(config.output))
    return (invert_blackbox if config.method == "blackbox" else invert_whitebox).run(config)
