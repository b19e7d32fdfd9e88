"""A trained defence as files: what changed in the network, and what it costs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from inverter.config.values import literal
from inverter.data.summary import describe_source
from inverter.defences.data import SourceModule
from inverter.defences.module import DefenceModule
from inverter.defences.utility import measure_utility
from inverter.targets.defence import SCHEMA_VERSION, DefenceSpec
from inverter.targets.defended import write_tensors


def write_defence(module: DefenceModule, data: SourceModule, output: Path) -> DefenceSpec:
    """Measure a trained defence on ``dev`` and write it."""
    config, base, split = module.config, module.base, module.split
    split.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    before, after = base.network.state_dict(), split.network.state_dict()
    changed = {name: value for name, value in after.items() if not torch.equal(value, before[name])}
    cut = split.target.cut
    origins = data.pictures("train").origins()
    origins.save(output)
    spec = DefenceSpec(
        schema_version=SCHEMA_VERSION,
        kind=config.defence.kind,
        settings={key: value for key, value in literal(asdict(config.defence)).items() if key != "kind"},
        target=base.target.spec,
        cut=module.cut_values,
        payload=module.payload,
        knows=module.knows,
        trained_on=describe_source(config.data.source),
        weights_sha256=write_tensors(output, changed, cut),
        utility=measure_utility(split, base, data.val_dataloader(), config.seed, config.data.labels),
        origins_sha256=origins.sha256(),
    )
    spec.save(output)
    return spec
