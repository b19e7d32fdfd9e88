"""Stage ``tradeoff``: payloads and defences at one layer, each attacked anew; utility against leakage on one page."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from inverter.audit.picture_sheet import read_sheet
from inverter.audit.plan import check_headline, check_pictures, check_weights
from inverter.audit.recommend import end_if_broken, parse_limits
from inverter.data.manifest import SPLITS
from inverter.run.device import pick_device
from inverter.run.lock import locked
from inverter.run.record import record_run
from inverter.stages import prepare
from inverter.stages.audit import measure, train_once
from inverter.tradeoff.assemble import assemble
from inverter.tradeoff.config import TradeoffConfig
from inverter.tradeoff.page import write_page
from inverter.tradeoff.plan import UNDEFENDED, Plan, check_split, load_split, plan_tradeoff
from inverter.tradeoff.record import Tradeoff
from inverter.tradeoff.table import print_tradeoff
from inverter.tradeoff.utility import measure_utility

log = logging.getLogger(__name__)


def run(config: TradeoffConfig) -> Tradeoff:
    """Do what is not done yet; write ``report.json`` and ``report.html``; print the table.

    Raises:
        ValueError: An unknown target, layer, payload or defence, a layer that cannot be split at, a value that is not
            allowed, a folder with work of another recipe, or an output that another run is writing to.
        SystemExit: A limit of ``fail_above`` or ``min_utility`` is not kept (status 3), or a training was terminated.
    """
    plan, output = plan_tradeoff(config), Path(config.output)
    names = [setting.name for setting in plan.settings]
    limits = parse_limits(config.fail_above, names)
    needs = parse_limits(config.min_utility, names, "min_utility")
    check_weights(config.target, [step for step in plan.steps if step.train.target.defence is None])
    plan = check_split(plan)
    with locked(output):
        record_run(config, output, "tradeoff")
        attack_settings(config, plan)
        tradeoff = assemble(config, plan, limits, needs)
        tradeoff.save(output / "report.json")
        write_page(tradeoff, read_sheet(plan.steps, config.num_pictures), output / "report.html")
    print_tradeoff(tradeoff)
    for name in ("report.html", "report.json"):
        log.info("%s", output / name)
    bounds = ("fail_above", config.fail_above, tradeoff.exceeded), ("min_utility", config.min_utility, tradeoff.below)
    end_if_broken(bounds, tradeoff.num_sources)
    return tradeoff


def attack_settings(config: TradeoffConfig, plan: Plan) -> None:
    """Prepare, train, evaluate and measure utility, as far as that is not done."""
    for split in SPLITS:
        prepare.prepare_together([step.prepare[split] for step in plan.steps])
    check_pictures(plan.steps)
    check_headline(config, plan.steps)
    if plan.start is not None:
        log.info("an inverter that every attack begins with")
        train_once(plan.start)
    device = torch.device(pick_device(config.trainer.device))
    undefended = None
    for number, step in enumerate(plan.steps, 1):
        log.info("setting %d of %d: %s", number, len(plan.steps), step.name)
        progress = measure(step, config.labels)
        if not progress.done("utility"):
            undefended = undefended or load_split(plan.steps[0], UNDEFENDED).to(device)
            measure_utility(step, undefended, device, config.labels)
            progress.finish("utility")
