"""Stage ``evaluate``: attacks, floors and ceiling on pairs that no training and no choice has seen."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import torch

from inverter.blackbox.build import load_run, run_inverter
from inverter.blackbox.methods import BASELINE, attack_methods
from inverter.config import EvaluateConfig
from inverter.data.datamodule import pair_loader
from inverter.data.manifest import Manifest
from inverter.evaluation.evaluate import evaluate
from inverter.evaluation.judges import draw_gallery, load_judge
from inverter.evaluation.pictures import save_recons
from inverter.evaluation.references import NEAREST_BY_FEATURES, reference_methods
from inverter.evaluation.report import write_report
from inverter.evaluation.results import Results
from inverter.evaluation.table import print_table
from inverter.hub import is_run, load_inverter
from inverter.run_record import record_run
from inverter.targets.load import load_same_target
from inverter.training import pick_device

log = logging.getLogger(__name__)
NUM_DISTRACTORS = 1000


def run(config: EvaluateConfig) -> Results:
    """Evaluate; write ``metrics.json``, ``per_image.csv``, ``report.html`` and ``recon/``; print the table.

    Raises:
        ValueError: The inverter, its pairs or the baseline cannot be found or do not fit each other.
    """
    device, bf16 = torch.device(pick_device(config.device)), config.precision == "bf16"
    if is_run(config.inverter):
        module, trained, _ = load_run(Path(config.inverter))
        inverter, data = run_inverter(module), Path(config.data or trained.data.path)
        output = Path(config.output or f"{config.inverter}/evaluation")
    else:
        inverter = load_inverter(config.inverter)
        if config.data is None:
            raise ValueError(f"inverter {config.inverter!r} is a published one: give data=FOLDER with val/ pair shards")
        data, output = Path(config.data), Path(config.output or f"runs/evaluation-{Path(config.inverter).name}")
    inverter = inverter.to(device).eval()
    prior = inverter.prior.to(device)
    val, train = data / "val", data / "train" if (data / "train" / "manifest.json").is_file() else None
    manifest = Manifest.load(val)
    if tuple(manifest.target.feature_shape) != inverter.spec.feature_shape:
        raise ValueError(
            f"{val} has features {manifest.target.feature_shape} of {manifest.target.layer!r}; "
            f"the inverter takes {inverter.spec.feature_shape}"
        )
    record_run(config, output, "evaluate")
    baseline = load_run(Path(config.baseline))[0] if config.baseline else None
    attacks = attack_methods(inverter, baseline, bf16=bf16, device=device, seed=config.seed)
    references = reference_methods(
        prior,
        val,
        train,
        limit=config.limit,
        num_train=config.num_train,
        batch_size=config.batch_size,
        seed=config.seed,
    )
    distractors = train if train is not None and manifest.num_sources < NUM_DISTRACTORS else val
    pictures = pair_loader(train, config.batch_size, limit=config.num_train) if train is not None else None
    results = evaluate(
        attacks | references,
        pair_loader(val, config.batch_size, limit=config.limit),
        target=load_same_target(manifest.target, config.target.name, device),
        judges=[load_judge(name, device=device) for name in config.judges],
        gallery=draw_gallery(pair_loader(distractors, config.batch_size), NUM_DISTRACTORS, seed=config.seed),
        train_batches=pictures,
        baseline=NEAREST_BY_FEATURES if train is not None else None,
        pairs=[(name, BASELINE) for name in attacks if name != BASELINE and BASELINE in attacks],
        seed=config.seed,
        num_bootstrap=config.num_bootstrap,
        device=device,
        config=dataclasses.asdict(config),
        threat_model=Manifest.load(train or val).threat_model,
        notes=[
            f"Evaluated on pictures from {manifest.source}.",
            f"Trained on pairs from {Manifest.load(train or val).source}.",
            f"Distractors for re-identification come from the {distractors.name} pairs.",
        ],
        on_recon=save_recons(output / "recon"),
    )
    results.save(output / "metrics.json")
    results.write_csv(output / "per_image.csv")
    write_report(results, output / "report.html", f"{manifest.target.name} at {manifest.target.layer}")
    print_table(results)
    for name in ("report.html", "metrics.json", "per_image.csv", "recon"):
        log.info("%s", output / name)
    return results
