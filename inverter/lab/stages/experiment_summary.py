"""Stage ``experiment summary``: the paper's figures beside those of the experiments that were run."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.lab.experiments.config import SummaryConfig
from inverter.lab.experiments.summary import summarise

log = logging.getLogger(__name__)


def run(config: SummaryConfig) -> Path:
    """Write ``RESULTS/README.md``.

    Raises:
        ValueError: A ``results.json`` is damaged.
    """
    path = summarise(Path(config.results))
    log.info("%s", path)
    return path
