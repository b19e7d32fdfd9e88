"""A finished prior with another autoencoder, whose latents are near those of its own."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusers import AutoencoderDC

from inverter.priors.index import INDEX, TRAINING, read_object_if_there
from inverter.priors.load import load_prior
from inverter.priors.variant import FOLDER
from inverter.run.files import whole_folder, write_text

KEPT = (INDEX, "prompts.json", "scheduler", "text_encoder", "tokenizer", "unet", FOLDER)


def prior_to_renew(vae: Path, output: Path) -> tuple[Path, str]:
    """Folder of the prior whose autoencoder lies in ``vae``, once it has been loaded as a test, and its weights' hash.

    Args:
        vae: ``PRIOR/vae``.
        output: Of the training, which writes to ``OUTPUT/vae`` and ``OUTPUT/prior``.
    Raises:
        ValueError: It is no part of a prior, the prior is damaged, or the training would write over it.
    """
    vae = vae.resolve()
    if vae.name != "vae" or not (vae.parent / INDEX).is_file():
        raise ValueError(f"start_from is {vae}; allowed where anchor_weight is not 0: PRIOR/vae of a whole prior")
    if vae in ((output / "vae").resolve(), (output / "prior" / "vae").resolve()):
        raise ValueError(f"output is {output}, which holds start_from={vae}; allowed: another folder")
    weights = load_prior(vae.parent).weights_sha256
    read_object_if_there(vae.parent / TRAINING)
    return vae.parent, weights


def renew_prior(folder: Path, vae: AutoencoderDC, training: Mapping[str, Any], output: Path) -> None:
    """Write the prior in ``folder`` with another autoencoder, in half precision; its card and figures stay behind.

    Args:
        folder: Of the prior.
        vae: On the CPU.
        training: Summary of what trained ``vae``, plain data.
        output: Where the new prior is written, whole or not at all; a LoRA and a card that lie there stay.
    """
    before = read_object_if_there(folder / TRAINING)
    renewals = sum(part.startswith("autoencoder, renewal") for part in before)
    summary = {**before, f"autoencoder, renewal {renewals + 1}": training}
    with whole_folder(output, keep=True) as partial:
        for name in KEPT:
            if (partial / name).exists() or not (folder / name).exists():
                continue
            copy_of = shutil.copytree if (folder / name).is_dir() else shutil.copyfile
            copy_of(folder / name, partial / name)
        copy.deepcopy(vae).half().save_pretrained(partial / "vae", safe_serialization=True)
        write_text(partial / TRAINING, json.dumps(summary, indent=2) + "\n")
