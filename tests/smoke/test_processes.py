"""Two processes give what one gives."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inverter.blackbox.config import TrainConfig
from inverter.data.manifest import Manifest
from inverter.run.record import save_config

ROOT = Path(__file__).parents[2]
PREPARE = [
    "target.layer=blocks.0",
    "target.input_size=32",
    "target.payload=gaussian:0.1",
    "source=prior",
    "pairs=7",
    "shard_size=2",
    "batch_size=2",
    "augment=jitter",
    "precision=fp32",
]

# Biases that a normalisation takes out again: their gradient is rounding, which AdamW scales up to a step.
TAKEN_OUT = ("head.body.0.bias", "head.body.1.branch.2.bias", "head.body.1.branch.6.bias")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def load(run: Path) -> dict:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


@pytest.fixture(scope="module")
def runs(train_config, finish, tmp_path_factory) -> dict[int, Path]:
    """Number of processes to the run that they trained, on the same batches of 4 and without noise of their own."""
    root, runs = tmp_path_factory.mktemp("runs"), {}
    for devices in (1, 2):
        config: TrainConfig = train_config(root / str(devices), max_steps=5)
        config.data = replace(config.data, batch_size=4 // devices)
        config.model = replace(config.model, denoising_weight=0.0)
        config.trainer = replace(config.trainer, devices=devices, strategy="ddp" if devices > 1 else "auto")
        save_config(config, root / f"{devices}.yaml")
        finish(["train", str(root / f"{devices}.yaml")], devices)
        runs[devices] = Path(config.output)
    return runs


def test_training_gives_the_same_weights(runs: dict[int, Path]) -> None:
    one, two = load(runs[1]), load(runs[2])
    assert one["global_step"] == two["global_step"] == 5
    for part in ("state_dict", "current_model_state"):
        assert one[part].keys() == two[part].keys()
        for name, value in one[part].items():
            if not name.endswith(TAKEN_OUT):
                torch.testing.assert_close(two[part][name], value, rtol=0, atol=1e-5, msg=f"{part} {name}")


def test_training_validates_every_dev_image_once(runs: dict[int, Path]) -> None:
    """5 images in shares of 3 and 2: the mean of the processes' means would be another number."""
    logged = {devices: csv.DictReader((run / "logs/version_0/metrics.csv").open()) for devices, run in runs.items()}
    one, two = ([float(row["dev/psnr"]) for row in logged[devices] if row["dev/psnr"]] for devices in (1, 2))
    assert one and two == pytest.approx(one, abs=1e-4)
    assert [json.loads((run / "summary.json").read_text())["pairs_seen"] for run in runs.values()] == [20, 20]
    assert list((runs[2] / "grids").glob("*.png"))


def test_training_with_noise_goes_on_with_as_many_processes(train_config, finish, tmp_path: Path) -> None:
    config: TrainConfig = train_config(tmp_path / "run", max_steps=3)
    config.data = replace(config.data, batch_size=2)
    config.trainer = replace(config.trainer, devices=2)
    for max_steps in (3, 20):
        config.optim = replace(config.optim, max_steps=max_steps, max_time=600)
        save_config(config, tmp_path / "train.yaml")
        finish(["train", str(tmp_path / "train.yaml")], 2)
        assert load(Path(config.output))["global_step"] == max_steps
    rows = list(csv.DictReader((tmp_path / "run" / "logs" / "version_1" / "metrics.csv").open()))
    (costs,) = [row for row in rows if row["train/images_per_second"]]
    assert costs["step"] == "19" and float(costs["train/images_per_second"]) > 0
    assert 0.1 < float(costs["train/peak_memory_gib"]) < 100


@pytest.mark.slow
def test_training_starts_its_own_processes(train_config, tmp_path: Path) -> None:
    """``trainer.devices=2`` on the command line, without torchrun."""
    config: TrainConfig = train_config(tmp_path / "run", max_steps=3)
    config.data = replace(config.data, batch_size=2)
    save_config(config, tmp_path / "train.yaml")
    words = ["train", str(tmp_path / "train.yaml"), "trainer.devices=2", "trainer.strategy=ddp"]
    done = subprocess.run([sys.executable, "-m", "inverter", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(" trained: ") == 1
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["pairs_seen"] == 12


def test_evaluation_gives_the_same_numbers_and_pictures(runs: dict[int, Path], tiny_shards, finish, tmp_path) -> None:
    shutil.copytree(tiny_shards / "train", tmp_path / "pairs" / "train")
    shutil.copytree(tiny_shards / "dev", tmp_path / "pairs" / "val")
    manifest = Manifest.load(tmp_path / "pairs" / "val")
    replace(manifest, split="val").save(tmp_path / "pairs" / "val")
    words = [f"inverter={runs[1]}", f"data={tmp_path / 'pairs'}", "batch_size=2", "num_bootstrap=20", "device=cpu"]
    for processes in (1, 2):
        finish(["evaluate", *words, f"output={tmp_path / str(processes)}"], processes)
    one, two = (json.loads((tmp_path / str(processes) / "metrics.json").read_text()) for processes in (1, 2))
    assert {name: row["metrics"] for name, row in one["methods"].items()} == {
        name: row["metrics"] for name, row in two["methods"].items()
    }
    assert one["comparisons"] == two["comparisons"]
    rows = [list(csv.reader((tmp_path / str(processes) / "per_image.csv").open())) for processes in (1, 2)]
    assert rows[0] == rows[1] and len(rows[0]) == 1 + 5 * len(one["methods"])
    for method in one["methods"]:
        assert contents(tmp_path / "1" / "recon" / method) == contents(tmp_path / "2" / "recon" / method)


def test_preparation_gives_the_same_bytes_with_any_number_of_processes(finish, tiny_prior_folder, tmp_path) -> None:
    words = ["prepare", *PREPARE, f"prior={tiny_prior_folder}"]
    finish([*words, f"output={tmp_path / 'one'}"])
    one = contents(tmp_path / "one" / "train")
    files = {f"pairs-00000{index}.{suffix}" for index in range(4) for suffix in ("json", "tar")}
    assert one.keys() == files | {"manifest.json", "origins.json", "prepare.json"}
    finish([*words, f"output={tmp_path / 'two'}", "max_time=0"], 2)
    assert Manifest.load(tmp_path / "two" / "train").num_pairs == 4  # a shard of each
    finish([*words, f"output={tmp_path / 'two'}"], 3)
    assert contents(tmp_path / "two" / "train") == one
