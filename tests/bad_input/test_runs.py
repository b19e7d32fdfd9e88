"""Runs to resume or to evaluate whose checkpoint or pairs are not theirs."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from inverter.blackbox.build import load_run
from inverter.stages import evaluate, train


def test_last_checkpoint(run, train_config, refused, payload):
    last = run / "checkpoints" / "last.ckpt"
    data = last.read_bytes()

    def resume() -> object:
        return train.run(train_config(run, max_steps=4))

    def save(**changes: object) -> None:
        torch.save(torch.load(last, weights_only=True) | changes, last)

    for what, damaged in (
        ("a checkpoint to resume that is cut off", data[: len(data) // 2]),
        ("a checkpoint to resume that is a pickle", payload),
        ("a checkpoint to resume that is empty", b""),
    ):
        last.write_bytes(damaged)
        refused(what, resume)
        assert last.read_bytes() == damaged
    last.write_bytes(data)
    save(state_dict={"inverter.other": torch.zeros(1)})
    refused("a checkpoint to resume of another network", resume)
    last.write_bytes(data)
    save(**{"pytorch-lightning_version": "99.0.0"})
    refused("a checkpoint to resume of a newer Lightning", resume)
    last.write_bytes(data)
    (state,) = torch.load(last, weights_only=True)["optimizer_states"]
    groups = [{key: value for key, value in group.items() if key != "betas"} for group in state["param_groups"]]
    save(optimizer_states=[state | {"param_groups": groups}])
    refused("a checkpoint to resume of another optimizer", resume)
    torch.save({"weights": torch.zeros(1)}, last)
    refused("a checkpoint to resume that is another file", resume)


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def test_a_checkpoint_with_code_inside(run, train_config, refused, tmp_path):
    last = run / "checkpoints" / "last.ckpt"
    torch.save(torch.load(last, weights_only=True) | {"callbacks": Hostile(tmp_path / "executed")}, last)
    refused("a checkpoint to resume with code inside", lambda: train.run(train_config(run, max_steps=4)))


def test_best_checkpoint(run, refused, payload):
    best = run / "checkpoints" / "best.ckpt"
    best.write_bytes(payload)
    refused("a run whose best checkpoint is a pickle", lambda: load_run(run))
    torch.save({"state_dict": {"inverter.other": torch.zeros(1)}}, best)
    refused("a run whose best checkpoint is of another network", lambda: load_run(run))
    best.unlink()
    refused("a run without its best checkpoint", lambda: load_run(run))


def change_target(folder: Path, **changes: object) -> None:
    values = json.loads((folder / "manifest.json").read_text())
    values["target"] |= changes
    (folder / "manifest.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("pairs of another layer to train on", {"layer": "features.3"}),
        ("pairs of another target to train on", {"name": "other"}),
        ("pairs of another payload to train on", {"payload": "int8"}),
    ],
)
def test_train(tiny_shards, tmp_path, train_config, refused, what, changes):
    shutil.copytree(tiny_shards, tmp_path / "pairs")
    for split in ("train", "dev"):
        change_target(tmp_path / "pairs" / split, **changes)
    config = train_config(tmp_path / "run")
    config.data.path = str(tmp_path / "pairs")
    refused(what, lambda: train.run(config))


def test_dev_pairs_of_another_target(tiny_shards, tmp_path, train_config, refused):
    shutil.copytree(tiny_shards, tmp_path / "pairs")
    change_target(tmp_path / "pairs" / "dev", weights_sha256="1" * 64)
    config = train_config(tmp_path / "run")
    config.data.path = str(tmp_path / "pairs")
    refused("dev pairs of another target", lambda: train.run(config))


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("pairs of another layer to evaluate", {"layer": "features.3"}),
        ("pairs of another target to evaluate", {"weights_sha256": "1" * 64}),
        ("pairs of another payload to evaluate", {"payload": "int8"}),
    ],
)
@pytest.mark.parametrize("kind", ["run", "published"])
def test_evaluate(request, tiny_shards, tmp_path, refused, what, changes, kind):
    shutil.copytree(tiny_shards / "dev", tmp_path / "pairs" / "val")
    change_target(tmp_path / "pairs" / "val", **changes)
    config = evaluate.EvaluateConfig(
        inverter=str(request.getfixturevalue(kind)), data=str(tmp_path / "pairs"), output=str(tmp_path / "out")
    )
    refused(what, lambda: evaluate.run(config))
