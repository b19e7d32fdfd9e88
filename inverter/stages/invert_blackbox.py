"""Stage ``invert`` with a trained inverter: no weights and no gradient of the target."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import Tensor

from inverter.blackbox.inverter import Inverter
from inverter.blackbox.trained import load_any_inverter
from inverter.data.inputs import Input
from inverter.inversion.chosen import check_given, published_name
from inverter.inversion.features import sent_features
from inverter.inversion.recon import ReconFolder
from inverter.priors.memory import check_memory
from inverter.priors.prompts import choose_prompts, note_prompts, read_prompts
from inverter.run.device import pick_device
from inverter.run.lock import locked
from inverter.run.progress import track
from inverter.run.record import record_run
from inverter.whitebox.config import InvertConfig
from inverter.whitebox.noise import image_generators


def run(config: InvertConfig) -> Path:
    """Write ``OUTPUT/recon/KEY.png``, ``OUTPUT/preview.png`` and ``OUTPUT/summary.json``.

    Raises:
        ValueError: An inverter that is not there or of another target than was given, an input that cannot be read, or
            features that do not fit.
    """
    device = torch.device(pick_device(config.device))
    name = config.inverter or published_name(config.target.filled())
    table = None if config.prompts is None else read_prompts(config.prompts, config.prompt_kind)
    check_memory(config.memory, device)
    inverter, target = load_any_inverter(name, config.prior, config.memory)
    check_given(config.target, target, name)
    inverter = inverter.to(device)
    note_prompts(inverter.prior, [config.prompt, *(table or {}).values()])
    folder, start = Path(config.output), time.monotonic()
    about = {
        "method": config.method,
        "inverter": name,
        "target": target.name,
        "layers": [target.layer],
        "input_size": target.input_size,
        "payload": target.payload,
        **({} if target.defence is None else {"defence": str(target.defence)}),
        "operating_point": config.operating_point,
        "target_queries": 0,
    }
    with locked(folder):
        record_run(config, folder, "invert")
        output = ReconFolder(folder)
        sent = sent_features(config, target, inverter.spec.resolution, device)
        for group, features in track(sent, "reconstructions"):
            prompts = choose_prompts([item.key for item in group], config.prompt, table)
            output.add(group, _reconstruct(config, inverter, group, features, prompts))
            output.summarise({**about, "seconds": time.monotonic() - start})
        output.finish()
    return folder


def _reconstruct(
    config: InvertConfig, inverter: Inverter, group: list[Input], features: Tensor, prompts: list[str | None] | None
) -> Tensor:
    """One reconstruction an input, whose noise depends on the seed and its key alone."""
    if config.operating_point == "mean":
        return inverter.mean(features)
    return inverter.sample(
        features,
        prompt=prompts,
        strength=config.strength,
        guidance_scale=config.guidance_scale,
        generator=image_generators([item.key for item in group], config.seed, "sample"),
    )
