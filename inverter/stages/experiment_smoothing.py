"""Stage ``experiment smoothing``: the cells, then table, plot and page."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.config import SmoothingExperimentConfig
from inverter.experiments import smoothing
from inverter.experiments.summary import summarise, summary_folder

log = logging.getLogger(__name__)


def run(config: SmoothingExperimentConfig) -> Path:
    """Fill what is missing in ``config.output``, write ``config.results``, and the page above it where its name fits.

    Raises:
        ValueError: A value that is not allowed, an output of another recipe, or a README.md that is no such page.
        SystemExit: A signal came; the same command goes on.
    """
    above = summary_folder(Path(config.results), "smoothing")
    folder = smoothing.run(config)
    log.info("%s", folder / "README.md")
    if above is not None:
        log.info("%s", summarise(above))
    return folder
