"""Stage ``experiment prompts``: the cells, then table, plot and page."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.config import PromptsExperimentConfig
from inverter.experiments import prompts
from inverter.experiments.summary import summarise, summary_folder

log = logging.getLogger(__name__)


def run(config: PromptsExperimentConfig) -> Path:
    """Fill what is missing in ``config.output``, write ``config.results``, and the page above it where its name fits.

    Raises:
        ValueError: A value that is not allowed, an output of another recipe, or a README.md that is no such page.
        SystemExit: A signal came; the same command goes on.
    """
    above = summary_folder(Path(config.results), "prompts")
    folder = prompts.run(config)
    log.info("%s", folder / "README.md")
    if above is not None:
        log.info("%s", summarise(above))
    return folder
