"""Stage ``experiment smoothing``: the cells, then table, plot and page."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.config import SmoothingExperimentConfig
from inverter.experiments import smoothing
from inverter.experiments.summary import summarise

log = logging.getLogger(__name__)


def run(config: SmoothingExperimentConfig) -> Path:
    """Fill what is missing in ``config.output``, write ``config.results`` and the page above it.

    Raises:
        ValueError: A value that is not allowed, or an output of another recipe.
        SystemExit: A signal came; the same command goes on.
    """
    folder = smoothing.run(config)
    log.info("%s, %s", folder / "README.md", summarise(folder.parent))
    return folder
