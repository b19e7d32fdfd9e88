"""Stage ``invert`` with a method that differentiates the target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from inverter.data.capture import capture
from inverter.data.inputs import Input, batches, is_clip, read_inputs
from inverter.inversion.output import Output
from inverter.inversion.recipe import recipe
from inverter.priors.prompts import choose_prompts, note_prompts, read_prompts
from inverter.run.device import pick_device
from inverter.run.lock import locked
from inverter.run.progress import follow
from inverter.run.record import record_run
from inverter.whitebox.build import Setup, build_attack
from inverter.whitebox.clip import invert_clip
from inverter.whitebox.config import InvertConfig
from inverter.whitebox.loop import Result
from inverter.whitebox.methods import METHODS
from inverter.whitebox.saved import SavedState


def run(config: InvertConfig) -> Path:
    """Write ``OUTPUT/recon/KEY.png``, ``OUTPUT/preview.png`` and ``OUTPUT/summary.json``, of a clip also an MP4.

    What a stopped run found so far is written too; the same command goes on from there.

    Raises:
        ValueError: A value that is not allowed, an input that cannot be read, or features that do not fit.
        SystemExit: SIGINT or SIGTERM came; the status is 128 and the signal's number.
    """
    device, path = torch.device(pick_device(config.device)), Path(config.input)
    table = None if config.prompts is None else read_prompts(config.prompts, config.prompt_kind)
    setup = build_attack(config, device)
    attack, clip = setup.attack, is_clip(path) or config.smoothing.weight > 0
    if attack.prior is not None and METHODS[attack.method].prompted:
        note_prompts(attack.prior, [config.prompt, *(table or {}).values()])
    output = Output(Path(config.output), config, attack.size)
    with locked(output.folder):
        record_run(config, output.folder, "invert")
        inputs = read_inputs(path, attack.layers, attack.size, config.video, config.feature_axes)
        for group in batches(inputs, config.batch_size if not clip else 1 << 20, config.limit):
            prompts = choose_prompts([item.key for item in group], config.prompt, table)
            result = _invert(config, setup, group, prompts, clip)
            output.add(group, result, prompts)
            if result.stopped_by is not None:
                break
        output.finish()
    if output.stopped_by is not None:
        raise SystemExit(128 + output.stopped_by)
    return output.folder


def _invert(
    config: InvertConfig, setup: Setup, group: list[Input], prompts: Sequence[str | None], clip: bool
) -> Result:
    """Pictures of a batch, or of a whole clip."""
    attack = setup.attack
    keys = [item.key for item in group]
    features = capture(setup.sender, group, config.seed)
    folder, made_of = Path(config.output) / "state", recipe(config, keys, features, prompts, setup.weights)

    def saved(frames: range) -> SavedState:
        return SavedState(folder / f"{keys[frames.start]}.safetensors", f"{made_of}/{frames.start}-{frames.stop}")

    total = sum(phase.num_steps for phase in attack.phases())
    with follow(attack.method, total) as show:
        if clip:
            return invert_clip(attack, features, keys, config.smoothing, prompts=prompts, saved=saved, show=show)
        return attack.invert(features, keys, prompts=prompts, saved=saved(range(len(keys))), show=show)
