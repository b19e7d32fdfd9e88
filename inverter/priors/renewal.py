"""A finished prior with another autoencoder, whose latents are near those of its own."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusers import AutoencoderDC

from inverter.atomic import whole_folder, write_text
from inverter.priors.few_step import FOLDER
from inverter.priors.index import INDEX, TRAINING, read_object

KEPT = (INDEX, "prompts.json", "scheduler", "text_encoder", "tokenizer", "unet", FOLDER)


def prior_around(vae: Path) -> Path | None:
    """Folder of the prior whose autoencoder lies in ``vae``; None where it is the ``vae`` of a training alone."""
    folder = vae.resolve().parent
    return folder if vae.name == "vae" and (folder / INDEX).is_file() else None


def renew_prior(folder: Path, vae: AutoencoderDC, training: Mapping[str, Any], output: Path) -> None:
    """Write the prior in ``folder`` with another autoencoder, in half precision; its card and figures stay behind.

    Args:
        folder: Of the prior.
        vae: On the CPU.
        training: Summary of what trained ``vae``, plain data.
        output: Where the new prior is written, whole or not at all.
    Raises:
        ValueError: What the prior says of its training is damaged.
    """
    before = read_object(folder / TRAINING) if (folder / TRAINING).is_file() else {}
    with whole_folder(output) as partial:
        for name in KEPT:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, partial / name)
            elif (folder / name).is_file():
                shutil.copyfile(folder / name, partial / name)
        copy.deepcopy(vae).half().save_pretrained(partial / "vae", safe_serialization=True)
        write_text(partial / TRAINING, json.dumps({**before, "autoencoder, renewed": training}, indent=2) + "\n")
