"""Stage ``invert`` with a trained inverter: no weights and no gradient of the target."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from inverter.blackbox.inverter import Inverter
from inverter.blackbox.published import list_inverters, names_of
from inverter.blackbox.trained import load_any_inverter
from inverter.config import SenderConfig, TargetConfig
from inverter.data.capture import capture
from inverter.data.feature_files import fitting
from inverter.data.inputs import Input, batches, read_inputs
from inverter.inversion.recon import ReconFolder
from inverter.payloads import same_payload
from inverter.priors.memory import check_memory
from inverter.priors.prompts import choose_prompts, note_prompts, read_prompts
from inverter.run.device import pick_device
from inverter.run.lock import locked
from inverter.run.progress import track
from inverter.run.record import record_run
from inverter.targets.defence import check_same_defence
from inverter.targets.load import load_same_target
from inverter.targets.spec import TargetSpec
from inverter.whitebox.config import InvertConfig
from inverter.whitebox.noise import image_generators


def run(config: InvertConfig) -> Path:
    """Write ``OUTPUT/recon/KEY.png``, ``OUTPUT/preview.png`` and ``OUTPUT/summary.json``.

    Raises:
        ValueError: An inverter that is not there or of another target than was given, an input that cannot be read, or
            features that do not fit.
    """
    device, given = torch.device(pick_device(config.device)), config.target.filled()
    name = config.inverter or _published_name(given)
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
        for group, features in track(_sent(config, target, inverter.spec.resolution, device), "reconstructions"):
            prompts = choose_prompts([item.key for item in group], config.prompt, table)
            output.add(group, _reconstruct(config, inverter, group, features, prompts))
            output.summarise({**about, "seconds": time.monotonic() - start})
        output.finish()
    return folder


def _published_name(given: TargetConfig) -> str:
    """The published inverter of a layer and size that was chosen without naming an inverter."""
    if names := names_of(given.layer, given.input_size):
        return names[0]
    known = [published.folder.name for published in list_inverters()]
    raise ValueError(
        f"target.layer is {given.layer!r}, of which no inverter is published; allowed: inverter=, a folder, a hub id "
        f"or a name among {known}, or method=direct, which needs none"
    )


def check_given(given: SenderConfig, target: TargetSpec, inverter: str) -> None:
    """Raise ValueError where a key that was given contradicts the target that the inverter is of."""
    for key in ("name", "layer", "input_size", "payload"):
        value, own = getattr(given, key), getattr(target, key)
        if value not in (None, own) and not (key == "payload" and same_payload(value, own)):
            raise ValueError(
                f"target.{key} is {value!r}, but inverter {inverter!r} takes features with target.{key}={own}; "
                "leave it out, or name another inverter"
            )
    if given.defence is not None:
        check_same_defence(f"inverter {inverter!r} takes features of", given.defence, target.defence)


def _reconstruct(
    config: InvertConfig,
    inverter: Inverter,
    group: list[Input],
    features: Tensor,
    prompts: list[str | None] | None,
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


def _sent(
    config: InvertConfig, spec: TargetSpec, resolution: int, device: torch.device
) -> Iterator[tuple[list[Input], Tensor]]:
    """Inputs and features, a batch at a time: read from files, or made by the target from pictures."""
    inputs = read_inputs(Path(config.input), [spec.layer], resolution, config.video)
    target = None
    for group in batches(inputs, config.batch_size, config.limit):  # a folder may not fit into memory
        given = [fitting(item.features, spec, item.key) for item in group if item.features is not None]
        if given:
            yield group, torch.stack(given).to(device)
            continue
        if target is None:
            options = {"pretrained": config.target.pretrained, "defence": config.target.defence}
            target = load_same_target(spec, config.target.name or "", device, **options)  # type: ignore[arg-type]
        if target is None:
            raise ValueError(
                f"input is a picture, but {spec.name!r} is not at hand; give features (.npy, .safetensors)"
            )
        yield group, capture(target, group, config.seed)[spec.layer]
