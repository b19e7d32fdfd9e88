"""From sources that are not the default through training to an evaluation, by command line."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inverter.__main__ import main
from inverter.data.manifest import Manifest
from inverter.data.reader import PairDataset

TARGET = ["target.layer=blocks.1", "target.input_size=64", "precision=fp32"]
TRAIN = [
    *("target.layer=blocks.1", "target.input_size=64", "model.width=16", "model.depth=1", "model.coarse_width=16"),
    *("model.head_width=8", "data.batch_size=4", "data.num_workers=0", "optim.max_steps=4", "optim.max_time=null"),
    *("trainer.progress=false", "trainer.device=cpu"),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Image shards with nine pictures."""
    path = tmp_path_factory.mktemp("pictures") / "images.tar"
    with tarfile.open(path, "w") as tar:
        for number in range(9):
            pixels = np.random.default_rng(number).integers(0, 256, (5, 5, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).resize((40, 40)).save(buffer, "PNG")
            entry = tarfile.TarInfo(f"{number}.png")
            entry.size = len(buffer.getvalue())
            tar.addfile(entry, io.BytesIO(buffer.getvalue()))
    return path


@pytest.mark.parametrize("payload", ["int8", "gaussian:0.1"])
def test_what_travels_is_prepared_trained_on_and_named_by_the_evaluation(
    payload: str, pictures: Path, tiny_prior_folder: Path, tmp_path: Path
) -> None:
    prior, sent, pairs = f"prior={tiny_prior_folder}", f"target.payload={payload}", tmp_path / "pairs"
    for split, count in (("train", 6), ("dev", 4), ("val", 5)):
        words = [*TARGET, prior, sent, f"split={split}", f"pairs={count}", "source=prior", f"output={pairs}"]
        assert main(["prepare", *words]) == 0
        assert Manifest.load(pairs / split).target.payload == payload
    run, online = tmp_path / "run", tmp_path / "online"
    data = f"data.path={pairs}"
    assert main(["train", *TRAIN, prior, data, sent, f"output={run}"]) == 0
    assert main(["train", *TRAIN, prior, data, sent, f"output={online}", f"data.images={pictures}"]) == 0
    assert main(["train", *TRAIN, prior, data, f"output={tmp_path / 'other'}"]) == 2  # of another payload
    for trained, source in ((run, "6 pairs from prior"), (online, "9 pairs from shards:images.tar")):
        words = [f"inverter={trained}", "device=cpu", "num_bootstrap=20", "judges=[]"]
        assert main(["evaluate", *words]) == 0
        metrics = json.loads((trained / "evaluation" / "metrics.json").read_text())
        assert metrics["target"]["payload"] == payload
        assert any(note.startswith(f"Features travel as {payload}") for note in metrics["notes"])
        assert f"Trained on {source}." in metrics["notes"]
        assert f"Features travel as {payload}" in (trained / "evaluation" / "report.html").read_text()
    assert "pictures of its own" in metrics["threat_model"]
    weights = [torch.load(r / "checkpoints/best.ckpt", weights_only=True)["state_dict"] for r in (run, online)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("library", ["torchvision", "huggingface"])
def test_pairs_of_a_dataset_by_name(library: str, tiny_prior_folder: Path, tmp_path: Path) -> None:
    for number in range(4):
        path = tmp_path / "pets" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (60 * number, 0, 0)).save(path)
    words = ["source=torchvision:ImageFolder", f"dataset.root={tmp_path / 'pets'}"]
    if library == "huggingface":
        datasets = pytest.importorskip("datasets", reason="needs pip install '.[huggingface]' in the checkout")
        features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
        rows = {
            "image": [str(path) for path in sorted((tmp_path / "pets").rglob("*.png"))],
            "label": [0, 0, 1, 1],
        }
        datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
        words = [f"source=huggingface:{tmp_path / 'saved'}"]
    shared = [*TARGET, *words, f"prior={tiny_prior_folder}", f"output={tmp_path / 'pairs'}"]
    for split, start, pairs in (("train", 0, 3), ("val", 3, 9)):
        assert main(["prepare", *shared, f"split={split}", f"dataset.start={start}", f"pairs={pairs}"]) == 0
    found = {split: list(PairDataset(tmp_path / "pairs" / split)) for split in ("train", "val")}
    assert [len(pairs) for pairs in found.values()] == [3, 1]
    shades = sorted(int(pair["image"][0, 0, 0]) for pairs in found.values() for pair in pairs)
    assert shades == [0, 60, 120, 180]
    assert all(pair["text"] == ("cat", "dog")[pair["label"]] for pairs in found.values() for pair in pairs)
