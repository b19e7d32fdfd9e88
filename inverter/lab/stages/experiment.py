"""Stages ``experiment methods``, ``prompts`` and ``smoothing``: the cells, then table, plot, page and report."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from inverter.lab.experiments import methods, prompts, smoothing
from inverter.lab.experiments.config import MethodsExperimentConfig, PromptsExperimentConfig, SmoothingExperimentConfig
from inverter.lab.experiments.report import FILE
from inverter.lab.experiments.summary import summarise, summary_folder

log = logging.getLogger(__name__)
KINDS: dict[type, tuple[str, Callable[..., Path]]] = {
    MethodsExperimentConfig: ("methods", methods.run),
    PromptsExperimentConfig: ("prompts", prompts.run),
    SmoothingExperimentConfig: ("smoothing", smoothing.run),
}


def run(config: MethodsExperimentConfig | PromptsExperimentConfig | SmoothingExperimentConfig) -> Path:
    """Fill what is missing in ``config.output``, write its report and ``config.results``, and the page above those
    where its name fits.

    Raises:
        ValueError: A value that is not allowed, an output of another recipe, or a README.md that is no such page.
        SystemExit: A signal came; the same command goes on.
    """
    name, fill = KINDS[type(config)]
    above = summary_folder(Path(config.results), name)
    folder = fill(config)
    log.info("%s", folder / "README.md")
    log.info("%s", Path(config.output) / FILE)
    if above is not None:
        log.info("%s", summarise(above))
    return folder
