"""Stage ``evaluate``: attacks, floors and ceiling on pairs that no training and no choice has seen."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack

import torch

from inverter.config import EvaluateConfig
from inverter.data.datamodule import pair_loader
from inverter.evaluation.attackers import Attackers
from inverter.evaluation.harness import evaluate
from inverter.evaluation.judges import load_judges
from inverter.evaluation.output import RECON, begin_output, write_output
from inverter.evaluation.pairs import draw_distractors
from inverter.evaluation.recon_files import save_recons
from inverter.evaluation.references import reference_methods
from inverter.evaluation.results import Results
from inverter.evaluation.table import print_table
from inverter.priors.memory import check_memory
from inverter.run.device import pick_device, pick_precision
from inverter.run.lock import locked
from inverter.run.processes import joined, rank
from inverter.targets.load import load_same_target


def run(config: EvaluateConfig) -> Results:
    """Evaluate; write ``metrics.json``, ``per_image.csv``, ``report.html`` and ``recon/``; print the table.

    Processes that torchrun started share the batches, get the same results, and the first one writes them.

    Raises:
        ValueError: The inverter, its pairs or the baseline cannot be found or do not fit each other, or another run is
            writing to the output.
    """
    with joined(), ExitStack() as locks:
        return measure(config, locks)


def measure(config: EvaluateConfig, locks: ExitStack) -> Results:
    """What ``run`` does, in one of its processes; the output is locked until ``locks`` closes."""
    device = torch.device(pick_device(config.device))
    config = dataclasses.replace(config, precision=pick_precision(config.precision, device))
    check_memory(config.memory, device)
    attackers = Attackers.load(config, device)
    trained, pairs, output = attackers.trained, attackers.find_pairs(), attackers.output
    locks.enter_context(locked(output))
    begin_output(output, config)
    given, measured = config.target, pairs.manifest.target
    target = load_same_target(measured, given.name, device, pretrained=given.pretrained, defence=given.defence)
    batches = pair_loader(pairs.val, config.batch_size, limit=config.limit, block=config.batch_size)
    references = reference_methods(trained.inverter.prior, batches, pairs.train)
    judges, absent = load_judges(config.judges, device=device)
    gallery = draw_distractors(pairs.val, config.batch_size, config.seed)
    results = evaluate(
        attackers.methods(target) | references,
        batches,
        target=target,
        judges=judges,
        missing=absent,
        sent_bytes=pairs.manifest.sent_bytes,
        gallery=gallery,
        train_batches=pair_loader(pairs.train, config.batch_size, limit=attackers.num_train) if pairs.train else None,
        baseline=attackers.baseline.kind if attackers.baseline else None,
        seed=config.seed,
        num_bootstrap=config.num_bootstrap,
        device=device,
        config={key: value for key, value in dataclasses.asdict(config).items() if key != "target"},  # names a run
        target_spec=measured.to_dict(),
        trained_on=trained.target.to_dict() if trained.target != measured else None,
        weights_sha256=attackers.weights_sha256,
        threat_model=trained.threat_model,
        notes=attackers.notes(pairs, gallery, judges),
        on_recon=save_recons(output / RECON),
        queries=config.queries,
    )
    if not rank():
        write_output(output, results, f"{measured.name} at {measured.layer}")
        print_table(results)
    return results
