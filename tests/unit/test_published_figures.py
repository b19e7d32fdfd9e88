"""The figures of what is published were measured on the weights beside them, or the card says on which."""

import json
from types import SimpleNamespace

import pytest
from safetensors.torch import load_file

from inverter.blackbox.published import WEIGHTS
from inverter.run.hub import checkpoints_root
from inverter.targets.target import weights_sha256

FOLDERS = sorted(path.parent for path in checkpoints_root().glob(f"*/{WEIGHTS}"))
MEASURED_BEFORE_ROUNDING = {"blocks.2"}
"""Evaluated in single precision, when runs were not yet rounded to half precision before that."""


def test_there_are_inverters_to_compare():
    assert {folder.name for folder in FOLDERS} > MEASURED_BEFORE_ROUNDING


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_hash_in_the_metrics_is_that_of_the_file(folder):
    state = {name: value.float() for name, value in load_file(folder / WEIGHTS).items()}
    measured = json.loads((folder / "metrics.json").read_text())["weights_sha256"]
    same = measured == weights_sha256(SimpleNamespace(state_dict=lambda: state))
    assert same == (folder.name not in MEASURED_BEFORE_ROUNDING)
    said = f"Measured on the weights of the training in single precision (hash {measured[:12]})"
    assert (said in (folder / "README.md").read_text(encoding="utf-8")) != same
