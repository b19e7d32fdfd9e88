"""Stage ``ladder``: trains, chooses, evaluates and publishes a list of inverters, each where nobody else does."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.lab.ladder.config import LadderConfig
from inverter.lab.ladder.page import write_page
from inverter.lab.ladder.rung import plan_rungs
from inverter.run.lock import InUse, locked

log = logging.getLogger(__name__)


def run(config: LadderConfig) -> Path:
    """Take the rungs in turn, and write ``OUTPUT/README.md`` after each; returns it.

    A rung that another process works on, perhaps of another machine that shares the folder, is left to it.

    Raises:
        ValueError: As the stages of a rung; those before it are done.
        SystemExit: A training was terminated; the same command goes on.
    """
    rungs, published = plan_rungs(config), Path(config.published)
    page = write_page(rungs, published, Path(config.output))
    for number, rung in enumerate(rungs, 1):
        log.info("rung %d of %d: %s", number, len(rungs), rung.name)
        try:
            with locked(Path(config.output) / "locks" / rung.name):
                rung.climb(config)
        except InUse as error:
            log.info("%s is left to the run that works on it: %s", rung.name, error)
        page = write_page(rungs, published, Path(config.output))
    log.info("%s", page)
    return page
