"""Stage ``demo``: a page in the browser that inverts photos and features, on this machine."""

from __future__ import annotations

from inverter.demo import server
from inverter.demo.config import DemoConfig


def run(config: DemoConfig) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        ValueError: As :func:`inverter.demo.server.serve`.
    """
    server.run(config)
