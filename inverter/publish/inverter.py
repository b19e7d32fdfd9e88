"""Weights of an inverter, written as :mod:`inverter.blackbox.load` reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from safetensors.torch import save

from inverter.blackbox.inverter import Inverter
from inverter.blackbox.published import CONFIG, LORA, SCHEMA_VERSION, WEIGHTS
from inverter.priors.few_step import lora_state
from inverter.run.files import write_bytes, write_text
from inverter.targets.spec import TargetSpec


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
