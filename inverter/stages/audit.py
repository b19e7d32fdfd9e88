"""Stage ``audit``: prepare, train and evaluate for each layer of a target, then one page and one JSON."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from inverter.audit.assemble import assemble
from inverter.audit.config import AuditConfig
from inverter.audit.page import write_page
from inverter.audit.picture_sheet import read_sheet
from inverter.audit.plan import Step, check_headline, check_pictures, check_weights, plan_audit
from inverter.audit.progress import LayerProgress
from inverter.audit.prompt import probe_prompt
from inverter.audit.recommend import end_if_broken, parse_limits
from inverter.audit.record import Audit
from inverter.audit.table import print_audit
from inverter.data.manifest import SPLITS
from inverter.run.lock import locked
from inverter.run.record import record_run
from inverter.stages import evaluate, prepare, train

log = logging.getLogger(__name__)


def run(config: AuditConfig) -> Audit:
    """Do what is not done yet; write ``report.json`` and ``report.html``; print the table.

    Raises:
        ValueError: An unknown target or layer, a value that is not allowed, a folder with work of another recipe, or
            an output that another run is writing to.
        SystemExit: A limit of ``fail_above`` is exceeded (status 3), or the training was terminated.
    """
    steps, output = plan_audit(config), Path(config.output)
    limits = parse_limits(config.fail_above, [step.info.name for step in steps])
    check_weights(config.target, steps)
    with locked(output):
        return audit_layers(config, steps, limits)


def audit_layers(config: AuditConfig, steps: Sequence[Step], limits: Mapping[str, float]) -> Audit:
    """What ``run`` does in an output that is its own."""
    output = Path(config.output)
    record_run(config, output, "audit")
    for split in SPLITS:
        prepare.prepare_together([step.prepare[split] for step in steps])
    check_pictures(steps)
    check_headline(config, steps)
    for number, step in enumerate(steps, 1):
        log.info("layer %d of %d: %s", number, len(steps), step.info.name)
        measure(step)
    audit = assemble(config, steps, limits)
    audit.save(output / "report.json")
    write_page(audit, read_sheet(steps, config.num_pictures), output / "report.html")
    print_audit(audit)
    for name in ("report.html", "report.json"):
        log.info("%s", output / name)
    end_if_broken([("fail_above", config.fail_above, audit.exceeded)], audit.num_sources)
    return audit


def measure(step: Step, labels: bool = False) -> LayerProgress:
    """Train and evaluate one attack, as far as that is not done; what is done then."""
    progress = train_once(step, labels)
    if not progress.done("evaluate"):
        evaluate.run(step.evaluate)
        progress.finish("evaluate", prompt_change=probe_prompt(step))
    return progress


def train_once(step: Step, labels: bool = False) -> LayerProgress:
    """Train one attack, as far as that is not done; what is done then."""
    progress = LayerProgress(step, labels)
    if not progress.done("train"):
        progress.begin("train")
        train.run(step.train)
        progress.finish("train")
    return progress
