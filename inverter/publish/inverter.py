"""Weights and figures of an inverter and of its few-step variant, as :mod:`inverter.blackbox.load` reads them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from safetensors.torch import save

from inverter.blackbox import few_step
from inverter.blackbox.few_step import read_few_step, variant_sha256
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.published import CONFIG, LORA, SCHEMA_VERSION, WEIGHTS
from inverter.evaluation.results import Results
from inverter.priors.few_step import lora_state, save_lora
from inverter.priors.variant import SUFFIX
from inverter.run.files import write_bytes, write_text
from inverter.targets.spec import TargetSpec

PUBLISHED_SETTINGS = (
    *("draw", "best_of", "search_rounds", "judges", "limit", "num_train", "num_bootstrap"),
    *("batch_size", "precision", "device", "seed"),
)


def check_name(name: str, key: str) -> None:
    """Raise ValueError unless an inverter may be published under a name, which ``key`` holds."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"{key} is {name!r}; allowed: letters, digits, '_', '.' and '-', no '.' or '-' in front")


def save_inverter(inverter: Inverter, folder: Path, target: TargetSpec, training: dict[str, Any]) -> None:
    """Write ``model.safetensors`` (half precision) and ``config.yaml``."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.half().contiguous() for name, value in inverter.state_dict().items()}
    write_bytes(folder / WEIGHTS, save(state))
    if inverter.spec.tune == "lora":
        write_bytes(folder / LORA, save(lora_state(inverter.prior.denoiser)))
    config = {
        "schema_version": SCHEMA_VERSION,
        "inverter": inverter.spec.to_dict(),
        "target": target.to_dict(),
        "prior": inverter.prior.name,
        "prior_sha256": inverter.prior.weights_sha256,
        "training": training,
    }
    write_text(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(json.loads(json.dumps(config)))))


def save_figures(results: Results, path: Path) -> None:
    """Write what was measured, with those settings alone that are not another machine's folders."""
    settings = {key: value for key, value in results.config.items() if key in PUBLISHED_SETTINGS}
    replace(results, config=settings).save(path)


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
    save_figures(results, folder / few_step.FOLDER / "metrics.json")
    return results
