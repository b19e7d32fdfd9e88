"""Judges from somebody else, damaged or in part."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file

from inverter.evaluation.judge_networks.residual import JudgeSpec, ResidualJudge, load_residual_judge, save_judge


@pytest.fixture
def folder(tmp_path) -> Path:
    save_judge(ResidualJudge(JudgeSpec(16, (4, 4, 8, 8), (1, 1, 1, 1), 3)), tmp_path / "judge", {}, {})
    return tmp_path / "judge"


@pytest.fixture
def refused_judge(folder, refused):
    """Function that expects the judge to be refused."""
    load_residual_judge(str(folder))
    return lambda what: refused(what, lambda: load_residual_judge(str(folder)))


def test_files(folder, refused_judge, payload):
    path = folder / "judge.safetensors"
    whole = path.read_bytes()
    path.write_bytes(payload)
    refused_judge("a judge whose weights are a pickle")
    path.write_bytes(whole[:-10])
    refused_judge("a judge whose weights are cut off")
    path.unlink()
    refused_judge("a judge without weights")
    for name in ("judge.bin", "judge.pt", "pytorch_model.bin"):
        (folder / name).write_bytes(payload)
    refused_judge("a judge with pickled weights only")
    (folder / "judge.json").unlink()
    refused_judge("a judge that is not there")


def test_weights(folder, refused_judge):
    path, name = folder / "judge.safetensors", "network.fc.weight"
    state = load(path.read_bytes())
    rest = {key: value for key, value in state.items() if key != name}
    for what, changed in {
        "a judge that lacks a weight": rest,
        "a judge with a surplus weight": {**state, "surplus": torch.zeros(1)},
        "a judge with a weight of a wrong shape": {**rest, name: torch.zeros(3, 3)},
        "a judge with NaN in its weights": {**rest, name: state[name] * float("nan")},
    }.items():
        save_file(changed, path)
        refused_judge(what)


def test_config(folder, refused_judge):
    path = folder / "judge.json"
    values = json.loads(path.read_text())
    for what, text in {
        "a judge.json that is no JSON": "{",
        "a judge.json that is no object": "[]",
        "a judge.json of another version": json.dumps({**values, "schema_version": 2}),
    }.items():
        path.write_text(text)
        refused_judge(what)
    for what, change in {
        "a judge.json with a surplus key": {"_target_": "os.system"},
        "a judge.json with a width that is no number": {"widths": ["4", 4, 8, 8]},
        "a judge.json with three widths": {"widths": [4, 4, 8]},
        "a judge.json with a huge depth": {"depths": [1, 1, 1, 10**9]},
        "a judge.json with a huge resolution": {"resolution": 10**9},
        "a judge.json that asks for more than its weights": {"num_classes": 10**9},
    }.items():
        path.write_text(json.dumps({**values, "spec": {**values["spec"], **change}}))
        refused_judge(what)
