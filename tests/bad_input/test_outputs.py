"""A full disk, simulated by a limit on the size of files, and outputs that cannot be written."""

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inverter.__main__ import main
from inverter.blackbox.load import load_inverter
from inverter.data.manifest import Manifest
from inverter.publish.inverter import save_inverter


@contextlib.contextmanager
def full_disk(free: int) -> Iterator[None]:
    """No file grows beyond ``free`` bytes; the error is ``File too large`` where a disk says ``No space left``."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def prepare(tmp_path: Path, prior: Path, output: str) -> list[str]:
    words = ["target.name=timm:tf_efficientnet_lite0", "target.layer=blocks.0", "target.input_size=32"]
    words += ["target.pretrained=false", f"prior={prior}", "shard_size=2", "precision=fp32"]
    return ["prepare", *words, f"source=folder:{tmp_path / 'pictures'}", f"output={tmp_path / output}"]


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Two pictures that make a small shard, then two that make a larger one."""
    (tmp_path / "pictures").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for number in range(4):
        picture = Image.fromarray(noise) if number > 1 else Image.new("RGB", (32, 32))
        picture.save(tmp_path / "pictures" / f"{number}.png")
    return tmp_path / "pictures"


def test_prepare_on_a_full_disk_goes_on_later(pictures, tmp_path, tiny_prior_folder, refused_by_command):
    assert main(prepare(tmp_path, tiny_prior_folder, "whole")) == 0
    shards = sorted((tmp_path / "whole" / "train").glob("*.tar"))
    small, large = (shard.stat().st_size for shard in shards)
    with full_disk((small + large) // 2):
        refused_by_command("a full disk in `prepare`", prepare(tmp_path, tiny_prior_folder, "stopped"))
    stopped = tmp_path / "stopped" / "train"
    assert sorted(path.name for path in stopped.iterdir()) == ["pairs-000000.json", "pairs-000000.tar", "prepare.json"]
    kept = (stopped / "pairs-000000.tar").stat().st_mtime_ns
    assert main(prepare(tmp_path, tiny_prior_folder, "stopped")) == 0
    assert (stopped / "pairs-000000.tar").stat().st_mtime_ns == kept
    assert Manifest.load(stopped) == Manifest.load(tmp_path / "whole" / "train")


def train_words(run: Path, output: Path, steps: int) -> list[str]:
    return ["train", str(run / "train.yaml"), f"optim.max_steps={steps}", f"output={output}"]


def test_train_on_a_full_disk_keeps_the_checkpoint(run, refused_by_command):
    last = run / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    with full_disk(len(before) // 2):
        refused_by_command("a full disk in `train`", train_words(run, run, 3))
    assert last.read_bytes() == before
    assert sorted(path.name for path in last.parent.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert main(train_words(run, run, 3)) == 0
    assert torch.load(last, weights_only=True)["global_step"] == 3


def test_invert_on_a_full_disk(published, tmp_path, refused_by_command):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(6, 5, 7)).astype(np.float32))
    words = ["invert", f"inverter={published}", f"input={tmp_path / 'x.npy'}", "device=cpu", f"output={tmp_path / 'o'}"]
    with full_disk(900):
        refused_by_command("a full disk in `invert`", words)
    assert not list((tmp_path / "o").rglob("*.png"))


def test_publish_on_a_full_disk_leaves_no_half_of_a_file(tiny_published, tiny_prior, target_spec, tmp_path):
    inverter = load_inverter(str(tiny_published), tiny_prior)
    with full_disk(4000), pytest.raises(OSError, match="File too large"):
        save_inverter(inverter, tmp_path / "toy", target_spec, {})
    assert not list((tmp_path / "toy").iterdir())


@pytest.mark.parametrize(
    ("stage", "place", "what"),
    [
        ("prepare", "file", "an output below a file"),  # it writes OUTPUT/train
        ("train", "file/out", "an output below a file"),
        ("train", "file", "an output that is a file"),
        ("invert", "file", "an output that is a file"),
    ],
)
def test_outputs_that_cannot_be_written(
    what, place, stage, pictures, tmp_path, run, tiny_prior_folder, published, refused_by_command
):
    (tmp_path / "file").write_text("kept")
    np.save(tmp_path / "x.npy", np.zeros((6, 5, 7), dtype=np.float32))
    invert = ["invert", f"inverter={published}", f"input={tmp_path / 'x.npy'}", "device=cpu"]
    words = {
        "prepare": prepare(tmp_path, tiny_prior_folder, place),
        "train": train_words(run, tmp_path / place, 1),
        "invert": [*invert, f"output={tmp_path / place}"],
    }
    refused_by_command(what, words[stage])
    assert (tmp_path / "file").read_text() == "kept"


def test_an_output_without_permission(run, tmp_path, refused_by_command, monkeypatch):
    def mkdir(self: Path, *_: object, **__: object) -> None:  # root may write anywhere, so the refusal is played
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    refused_by_command("an output without permission", train_words(run, tmp_path / "out", 1))
