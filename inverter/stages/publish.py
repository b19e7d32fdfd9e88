"""Stage ``publish``: an evaluated run becomes a folder that others load by name."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

from inverter.blackbox.build import load_run, run_inverter, run_manifests
from inverter.blackbox.few_step import has_few_step
from inverter.blackbox.published import WEIGHTS
from inverter.config import DrawConfig, PublishConfig
from inverter.evaluation.results import Results
from inverter.publish.card import render_card
from inverter.publish.denoiser import publish_denoiser
from inverter.publish.inverter import check_name, publish_few_step, save_figures, save_inverter
from inverter.publish.preview import write_preview
from inverter.publish.training_record import training_record
from inverter.run.files import whole_folder
from inverter.run.hub import checkpoints_root
from inverter.run.lock import locked
from inverter.targets.target import weights_sha256

log = logging.getLogger(__name__)


def run(config: PublishConfig) -> Path:
    """Write ``OUTPUT/NAME`` with weights, config, metrics, model card and preview; it appears whole or not at all.

    Raises:
        ValueError: The run was not finished or evaluated, trained a baseline, the name is taken or no plain name, the
            licence is no plain name, or another run is writing to the output.
    """
    check_name(config.name, "name")
    if not re.fullmatch(r"[\w.+-]+", config.licence):
        raise ValueError(f"licence is {config.licence!r}; allowed: one of the hub's names, such as apache-2.0")
    with locked(Path(config.output)):
        return publish(config)


def publish(config: PublishConfig) -> Path:
    """What ``run`` does in an output that is its own."""
    run_folder, folder = Path(config.run), Path(config.output) / config.name
    if folder.exists() and not config.overwrite:
        raise ValueError(f"name is {config.name!r}, but {folder} exists; choose another or set overwrite=true")
    if folder.exists() and not (folder / WEIGHTS).is_file():
        raise ValueError(f"name is {config.name!r}, but {folder} is no published inverter and is not overwritten")
    metrics = run_folder / "evaluation" / "metrics.json"
    if not metrics.is_file():
        raise ValueError(
            f"run {run_folder} has no evaluation/metrics.json; run `inverter evaluate inverter={run_folder}`"
        )
    module, train_config, manifest = load_run(run_folder)
    results = Results.from_json(json.loads(metrics.read_text()))
    if accepted := results.config.get("accept"):
        raise ValueError(
            f"run {run_folder} was evaluated with accept={accepted}, on features that it was not trained on; run "
            f"`inverter evaluate inverter={run_folder}`"
        )
    inverter = run_inverter(module).redraw(DrawConfig(**results.config.get("draw", {})))  # as it was evaluated
    if results.weights_sha256 != weights_sha256(inverter):
        raise ValueError(f"run {run_folder} was trained on after its evaluation; run `inverter evaluate` again")
    training = training_record(run_folder, train_config, manifest)
    called = config.name if folder.parent.resolve() == checkpoints_root().resolve() else str(folder)
    if train_config.model.tune == "full":
        publish_denoiser(inverter.prior, run_manifests(run_folder, train_config), config.overwrite)
    with whole_folder(folder) as partial:
        save_inverter(inverter, partial, manifest.target, training)
        save_figures(results, partial / "metrics.json")
        fast = publish_few_step(inverter, run_folder, partial) if has_few_step(run_folder) else None
        card = render_card(called, config.licence, inverter, manifest, training, results, fast)
        (partial / "README.md").write_text(card, encoding="utf-8")
        if preview := config.preview:
            write_preview(Path(preview), partial / "preview.png")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    log.info('published %s: %.1f MB; Inverter.from_pretrained("%s") loads it', folder, size / 1e6, called)
    return folder
