"""Stage ``ladder``: trains, chooses, evaluates and publishes a list of inverters, each where nobody else does."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

from inverter.lab.ladder.config import LadderConfig
from inverter.lab.ladder.page import write_page
from inverter.lab.ladder.plan import plan_rungs
from inverter.run.lock import InUse, locked

log = logging.getLogger(__name__)


def run(config: LadderConfig) -> Path:
    """Take the rungs in turn, and write ``OUTPUT/README.md`` after each; returns it.

    A rung that another process works on, perhaps of another machine that shares the folder, is left to it, as is one
    that comes after a rung which is not published yet.

    Raises:
        ValueError: A value that is not allowed, before anything runs; or as the stages of a rung, when those before it
            are done.
        SystemExit: A training was terminated; the same command goes on.
    """
    rungs, published = plan_rungs(config), Path(config.published)
    by_name = {rung.name: rung for rung in rungs}
    page = write_page(rungs, config)
    for number, rung in enumerate(rungs, 1):
        if config.only is not None and rung.name not in config.only:
            continue
        log.info("rung %d of %d: %s", number, len(rungs), rung.name)
        if rung.after is not None and not by_name[rung.after].published(published):
            log.info("%s comes after %s, which is not published yet", rung.name, rung.after)
            continue
        with ExitStack() as lock:
            try:
                lock.enter_context(locked(Path(config.output) / "locks" / rung.name))
            except InUse as error:
                log.info("%s is left to the run that works on it: %s", rung.name, error)
                continue
            rung.complete(config)
        page = write_page(rungs, config)
    log.info("%s", page)
    return page
