"""Stage ``publish``: an evaluated run becomes a folder that others load by name."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from pathlib import Path

import torch
from safetensors.torch import load_file
from torchvision.io import read_image
from torchvision.utils import make_grid, save_image

from inverter.blackbox import few_step
from inverter.blackbox.build import load_run, run_inverter
from inverter.blackbox.config import TrainConfig
from inverter.blackbox.few_step import has_few_step, read_few_step, variant_sha256
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.published import WEIGHTS, split_run
from inverter.config import DrawConfig, PublishConfig
from inverter.data.manifest import Manifest
from inverter.evaluation.results import Results
from inverter.priors.few_step import save_lora
from inverter.priors.load import load_prior
from inverter.priors.parts import write_control_denoiser
from inverter.priors.prior import DiffusionPrior
from inverter.priors.variant import CONTROL, CONTROL_FOLDER, SUFFIX, split_control
from inverter.publish.card import render_card
from inverter.publish.inverter import check_name, save_inverter
from inverter.run.files import whole_folder
from inverter.run.hub import checkpoints_root, find_prior
from inverter.run.lock import locked
from inverter.run.record import commits
from inverter.targets.target import weights_sha256

log = logging.getLogger(__name__)
PREVIEW_IMAGES = 8
PUBLISHED_SETTINGS = (
    *("draw", "best_of", "search_rounds", "judges", "limit", "num_train", "num_bootstrap"),
    *("batch_size", "precision", "device", "seed"),
)


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
    inverter = run_inverter(module).redraw(DrawConfig(**results.config.get("draw", {})))  # as it was evaluated
    if results.weights_sha256 != weights_sha256(inverter):
        raise ValueError(f"run {run_folder} was trained on after its evaluation; run `inverter evaluate` again")
    training = training_record(run_folder, train_config, manifest)
    settings = {key: value for key, value in results.config.items() if key in PUBLISHED_SETTINGS}
    called = config.name if folder.parent.resolve() == checkpoints_root().resolve() else str(folder)
    if train_config.model.tune == "full":
        publish_denoiser(inverter.prior, config.overwrite)
    with whole_folder(folder) as partial:
        save_inverter(inverter, partial, manifest.target, training)
        dataclasses.replace(results, config=settings).save(partial / "metrics.json")
        fast = publish_few_step(inverter, run_folder, partial) if has_few_step(run_folder) else None
        card = render_card(called, config.licence, inverter, manifest, training, results, fast)
        (partial / "README.md").write_text(card, encoding="utf-8")
        if preview := config.preview:
            write_preview(Path(preview), partial / "preview.png")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    log.info('published %s: %.1f MB; Inverter.from_pretrained("%s") loads it', folder, size / 1e6, called)
    return folder


def publish_few_step(inverter: Inverter, run: Path, folder: Path) -> Results:
    """Write the few-step variant of a run beside its published inverter, and its figures.

    Returns:
        What was measured of it.
    Raises:
        ValueError: It is of another state of the run, or was not evaluated since it was made.
    """
    state, about = read_few_step(inverter, run)
    metrics, name = run / few_step.FOLDER / "evaluation" / "metrics.json", f"{run}{SUFFIX}"
    if not metrics.is_file():
        raise ValueError(f"run {run} has a few-step variant without figures; run `inverter evaluate inverter={name}`")
    results = Results.from_json(json.loads(metrics.read_text()))
    if results.weights_sha256 != variant_sha256(inverter, state):
        raise ValueError(f"run {run}: its few-step variant was made after its evaluation; evaluate {name} again")
    if drawn := [key for key, value in results.config.get("draw", {}).items() if value is not None]:
        raise ValueError(f"{name} was evaluated with draw.{drawn[0]}; needed: figures of how it draws by itself")
    save_lora(state, folder / few_step.FOLDER / few_step.WEIGHTS, about)
    settings = {key: value for key, value in results.config.items() if key in PUBLISHED_SETTINGS}
    dataclasses.replace(results, config=settings).save(folder / few_step.FOLDER / "metrics.json")
    return results


def publish_denoiser(prior: DiffusionPrior, overwrite: bool) -> None:
    """Write a wholly tuned denoiser beside the one of its prior, and name the prior after it.

    Inverters that were trained in one run share it, so it may be there already.

    Raises:
        ValueError: The prior does not lie in ``checkpoints/``, or another tuned denoiser is there and would be lost.
    """
    base = split_control(prior.name)[0]
    folder = find_prior(base)
    if folder.resolve().parent != checkpoints_root().resolve():
        raise ValueError(
            f"prior {folder} is not in {checkpoints_root()}, where a tuned denoiser is kept; copy it there, or train "
            "with model.tune=lora, whose weights go with the inverter"
        )
    path = folder / CONTROL_FOLDER / "diffusion_pytorch_model.safetensors"
    state = {name: value.half() for name, value in prior.denoiser.state_dict().items()}
    if path.is_file():
        existing = load_file(path)
        same = existing.keys() == state.keys() and all(torch.equal(existing[name], state[name].cpu()) for name in state)
        if not same and not overwrite:
            raise ValueError(
                f"prior {folder} has another denoiser in {CONTROL_FOLDER}, which published inverters may need; "
                "set overwrite=true to replace it"
            )
    else:
        same = False
    if not same:
        write_control_denoiser(prior.denoiser, folder)
    prior.name = f"{base}{CONTROL}"
    prior.weights_sha256 = load_prior(prior.name).weights_sha256


def training_record(run: Path, config: TrainConfig, manifest: Manifest) -> dict[str, object]:
    """What the model card and the config say of the training."""
    run, number = split_run(run)
    if not (run / "summary.json").is_file():
        raise ValueError(f"run {run} has no summary.json, so its training was cut off; train it to its end first")
    record = json.loads((run / "train.json").read_text())
    summary = json.loads((run / "summary.json").read_text())
    if config.start_from is not None and not record.get("began_with"):
        raise ValueError(f"run {run}: its train.json does not say what start_from={config.start_from} was; train again")
    return {
        "source": manifest.source,
        "pairs": manifest.num_pairs if number else summary["pairs"],
        "pairs_seen": round(summary["pairs_seen"] * share_of(config, number)),
        "tuned": config.model.tune,
        "began_with": record.get("began_with", []),
        "augment": manifest.augment,
        "max_time_seconds": config.optim.max_time,
        "max_steps": config.optim.max_steps,
        "learning_rate": config.optim.lr,
        "seed": config.seed,
        "threat_model": manifest.threat_model,
        "commit": commits(record),
        "environment": record["environment"],
    }


def share_of(config: TrainConfig, number: int) -> float:
    """Share of a run's steps that one of its inverters got."""
    shares = config.data.shares or [1.0] * (1 + len(config.data.also))
    return shares[number] / sum(shares)


def write_preview(evaluation: Path, path: Path) -> None:
    """Grid of originals over reconstructions from an evaluation's ``recon`` folder; only for pictures one may share."""
    methods = [name for name in ("original", "mean", "sample") if (evaluation / "recon" / name).is_dir()]
    if not methods:
        raise ValueError(f"preview is {str(evaluation)!r}, which holds no recon/ of an evaluation")
    keys = sorted(file.name for file in (evaluation / "recon" / methods[0]).glob("*.png"))
    step = max(len(keys) // PREVIEW_IMAGES, 1)
    chosen = keys[::step][:PREVIEW_IMAGES]
    rows = [read_image(str(evaluation / "recon" / name / key)).float() / 255 for name in methods for key in chosen]
    save_image(make_grid(rows, nrow=len(chosen), padding=2), path)
