"""Stage ``experiment prompts``: the cells, then table, plot and page."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.config import PromptsExperimentConfig
from inverter.experiments import prompts
from inverter.experiments.summary import summarise

log = logging.getLogger(__name__)


def run(config: PromptsExperimentConfig) -> Path:
    """Fill what is missing in ``config.output``, write ``config.results`` and the page above it.

    Raises:
        ValueError: A value that is not allowed, or an output of another recipe.
        SystemExit: A signal came; the same command goes on.
    """
    folder = prompts.run(config)
    log.info("%s, %s", folder / "README.md", summarise(folder.parent))
    return folder
