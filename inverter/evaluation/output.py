"""The folder of an evaluation."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from inverter.config import EvaluateConfig
from inverter.evaluation.report import write_report
from inverter.evaluation.results import Results
from inverter.run.processes import rank, wait_for_all
from inverter.run.record import record_run

log = logging.getLogger(__name__)
RECON = "recon"


def begin_output(folder: Path, config: EvaluateConfig) -> None:
    """Note what is run, and drop the reconstructions of an earlier evaluation, perhaps of other pictures."""
    if not rank() and (folder / "evaluate.json").is_file():
        shutil.rmtree(folder / RECON, ignore_errors=True)
    wait_for_all()
    record_run(config, folder, "evaluate")


def write_output(folder: Path, results: Results, title: str) -> None:
    """Write ``metrics.json``, ``per_image.csv`` and ``report.html``, and log where they are."""
    results.save(folder / "metrics.json")
    results.write_csv(folder / "per_image.csv")
    write_report(results, folder / "report.html", title)
    for name in ("report.html", "metrics.json", "per_image.csv", RECON):
        log.info("%s", folder / name)
