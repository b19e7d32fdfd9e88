"""Stage ``evaluate``: attacks, floors and ceiling on pairs that no training and no choice has seen."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from inverter.blackbox import ancestors
from inverter.blackbox.build import load_baseline, load_surrogate
from inverter.blackbox.few_step import FOLDER
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.published import is_run
from inverter.blackbox.trained import load_trained_inverter
from inverter.config import EvaluateConfig
from inverter.data.datamodule import pair_loader
from inverter.evaluation.blackbox import attack_methods
from inverter.evaluation.harness import evaluate
from inverter.evaluation.judges import Gallery, Judge, is_kin, load_judges
from inverter.evaluation.pairs import EvaluationPairs, distractor_note, draw_distractors
from inverter.evaluation.recon_files import save_recons
from inverter.evaluation.references import reference_methods
from inverter.evaluation.report import write_report
from inverter.evaluation.results import Results
from inverter.evaluation.table import print_table
from inverter.priors.memory import check_memory
from inverter.priors.variant import split_name
from inverter.run.device import pick_device, pick_precision
from inverter.run.lock import locked
from inverter.run.processes import joined, rank, wait_for_all
from inverter.run.record import record_run
from inverter.targets.load import load_same_target
from inverter.targets.spec import SAME_PLACE, TargetSpec, check_same_features
from inverter.targets.target import weights_sha256

log = logging.getLogger(__name__)


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
    subject = load_trained_inverter(config.inverter, config.prior, config.memory)
    if (data := config.data or subject.data) is None:
        raise ValueError(
            f"inverter {config.inverter!r} is a published one: give data=FOLDER with val/ pair shards, as `inverter "
            f"prepare prepare.yaml prepare_val.yaml target.layer={subject.target.layer} output=FOLDER` writes them"
        )
    base, few_step = split_name(config.inverter)
    folder = f"{base}/{FOLDER}" if few_step else base
    default = f"{folder}/evaluation" if subject.data else f"runs/evaluation-{Path(config.inverter).name}"
    output = Path(config.output or default)
    trained = [Path(name) for name in (base, config.baseline) if name is not None and is_run(name)]
    pairs = EvaluationPairs.find(Path(data), f"inverter {config.inverter!r}", subject.target, trained, config.accept)
    baseline = load_baseline(Path(config.baseline), subject.target, config.memory) if config.baseline else None
    surrogate = load_surrogate(Path(config.surrogate), subject.target) if config.surrogate else None
    if surrogate is not None and config.best_of is None:
        raise ValueError(f"surrogate is {config.surrogate!r}, but best_of is null; allowed: a number of draws to rank")
    static = load_static(config, subject.target) if config.static else None
    locks.enter_context(locked(output))
    if not rank() and (output / "evaluate.json").is_file():  # an earlier evaluation's, perhaps of other pictures
        shutil.rmtree(output / "recon", ignore_errors=True)
    wait_for_all()
    record_run(config, output, "evaluate")
    inverter = subject.inverter.redraw(config.draw).to(device).eval()
    spec = pairs.manifest.target
    options = {"pretrained": config.target.pretrained, "defence": config.target.defence}
    target = load_same_target(spec, config.target.name, device, **options)  # type: ignore[arg-type]
    num_train = config.num_train or subject.num_pairs
    attacks = attack_methods(
        inverter,
        baseline,
        bf16=config.precision == "bf16",
        device=device,
        query=target,
        surrogate=surrogate.to(device) if surrogate is not None else None,
        best_draws=config.best_of,
        search_rounds=config.search_rounds,
        static=static.to(device).eval() if static is not None else None,
        queries=config.queries,
    )
    batches = pair_loader(pairs.val, config.batch_size, limit=config.limit, block=config.batch_size)
    references = reference_methods(inverter.prior, batches, pairs.train)
    judges, absent = load_judges(config.judges, device=device)
    gallery = draw_distractors(pairs.val, config.batch_size, config.seed)
    results = evaluate(
        attacks | references,
        batches,
        target=target,
        judges=judges,
        missing=absent,
        sent_bytes=pairs.manifest.sent_bytes,
        gallery=gallery,
        train_batches=pair_loader(pairs.train, config.batch_size, limit=num_train) if pairs.train else None,
        baseline=baseline.kind if baseline else None,
        seed=config.seed,
        num_bootstrap=config.num_bootstrap,
        device=device,
        config={key: value for key, value in dataclasses.asdict(config).items() if key != "target"},  # names a run
        target_spec=subject.target.to_dict(),
        weights_sha256=inverter.prior.weights_sha256 if few_step else weights_sha256(inverter),
        threat_model=subject.threat_model,
        notes=[
            f"Trained on {subject.num_pairs:,} pairs from {subject.source}.",
            *ancestors.notes(subject.began_with, subject.threat_model),
            *pairs.notes(num_train, subject.target),
            *([distractor_note(gallery)] if isinstance(gallery, Gallery) else []),
            *query_notes(config, judges, subject.target.name),
        ],
        on_recon=save_recons(output / "recon"),
        queries=config.queries,
    )
    if rank():
        return results
    results.save(output / "metrics.json")
    results.write_csv(output / "per_image.csv")
    write_report(results, output / "report.html", f"{subject.target.name} at {subject.target.layer}")
    print_table(results)
    for name in ("report.html", "metrics.json", "per_image.csv", "recon"):
        log.info("%s", output / name)
    return results


def load_static(config: EvaluateConfig, target: TargetSpec) -> Inverter:
    """The inverter of ``config.static``.

    Raises:
        ValueError: It is of another layer or input size, or of features of another shape.
    """
    found = load_trained_inverter(str(config.static), config.prior, config.memory)
    check_same_features(f"static {config.static!r}", found.target, target, SAME_PLACE)
    return found.inverter


def query_notes(config: EvaluateConfig, judges: Sequence[Judge], target: str) -> list[str]:
    """What an attacker who queries the target is allowed more, and which judge that flatters."""
    repeated = f"Of {config.queries} queries: the attacker gets features of every picture so often, and their mean."
    return [*([repeated] if config.queries else []), *_ranking_notes(config, judges, target)]


def _ranking_notes(config: EvaluateConfig, judges: Sequence[Judge], target: str) -> list[str]:
    if config.best_of is None:
        return []
    queries = config.best_of * (1 + config.search_rounds)
    if config.surrogate is not None:
        return [
            f"Best of {queries} by surrogate: the attacker ranks its draws by a network that it trained on its own "
            "pairs to say what the target says of a picture; the target is not queried."
        ]
    note = f"Best of {queries}: the attacker may also query the target, {queries} times a picture."
    kin = [judge.name for judge in judges if is_kin(judge.name, target)]
    others = [judge.name for judge in judges if judge.name not in kin]
    if not kin:
        return [note]
    verdict = f"; {' and '.join(others)} decides" if others else ", and there is no other"
    return [f"{note} A search against the target flatters judges of its kind: {' and '.join(kin)}{verdict}."]
