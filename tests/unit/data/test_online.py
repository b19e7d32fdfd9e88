import io
import shutil
import tarfile
from dataclasses import replace

import lightning as L
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from inverter.blackbox.build import build_module
from inverter.data.datamodule import PairDataModule
from inverter.data.manifest import Manifest
from inverter.data.online import OnlinePairModule
from inverter.data.origins import Origins, load_origins, picture_hash
from inverter.run.callbacks.step_seed import StepSeed
from inverter.targets.target import Target


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.tar"
    with tarfile.open(path, "w") as tar:
        for number in range(10):
            pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            entry = tarfile.TarInfo(f"{number}.png")
            entry.size = len(buffer.getvalue())
            tar.addfile(entry, io.BytesIO(buffer.getvalue()))
    return str(path)


@pytest.fixture
def make_target():
    """Function from a payload to a target that gives features of the shape that ``tiny_shards`` hold."""

    def make(payload: str = "identity") -> Target:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.AdaptiveAvgPool2d((5, 7)))
        return Target(network, "1", name="tiny", input_size=16, mean=[0.5] * 3, std=[0.2] * 3, payload=payload)

    return make


@pytest.fixture
def make_data(tiny_shards, images, make_target, monkeypatch):
    """Function from a payload to online pairs; the stored ones say that they come from the same target."""

    def make(payload: str = "identity", dev=tiny_shards / "dev", **options) -> OnlinePairModule:
        target = make_target(payload)
        load = Manifest.load
        monkeypatch.setattr(Manifest, "load", lambda folder: replace(load(folder), target=target.spec))
        try:
            return OnlinePairModule(images, target, str(tiny_shards / "train"), str(dev), 4, seed=3, **options)
        finally:
            monkeypatch.setattr(Manifest, "load", load)

    return make


def test_batches_are_those_of_stored_pairs_without_latents(make_data, make_target, tiny_shards):
    data = make_data()
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    stored = next(iter(PairDataModule(str(tiny_shards / "train"), batch_size=4).train_dataloader()))
    for name in ("image", "features"):
        assert (batch[name].shape, batch[name].dtype) == (stored[name].shape, stored[name].dtype)
    torch.testing.assert_close(batch["features"], make_target()(batch["image"]))
    assert "latents" not in batch and not batch["features"].requires_grad
    assert data.num_pairs == 10
    (dev, *_) = data.val_dataloader()
    assert data.on_after_batch_transfer(dev, 0) is dev


def test_what_the_payload_cannot_send_is_refused(make_data):
    data = make_data("fp16")
    data.target.network[0].bias.data += 7e4
    with pytest.raises(ValueError, match="payload=fp16: NaN or infinity in what arrives"):
        data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)


def test_pictures_are_augmented_anew_in_each_epoch_and_repeat_with_the_seed(make_data):
    def epochs() -> list[dict[str, torch.Tensor]]:
        loader = make_data().train_dataloader()
        return [dict(zip(b["key"], b["image"], strict=True)) for _ in range(3) for b in loader]

    first, again = epochs(), epochs()
    assert len(first) == 3 * 2
    for one, other in zip(first, again, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)
    seen: dict[str, list[torch.Tensor]] = {}
    for batch in first:
        for key, image in batch.items():
            assert not any(torch.equal(image, before) for before in seen.get(key, []))
            seen.setdefault(key, []).append(image)


def test_pairs_of_another_target_are_refused(tiny_shards, images, make_target):
    with pytest.raises(ValueError, match=r"training on pairs in .*train takes features of tiny with layer"):
        OnlinePairModule(images, make_target(), str(tiny_shards / "train"))


def test_pictures_are_kept_apart_from_dev_and_their_origins_are_saved(make_data, tiny_shards, images, tmp_path):
    data = make_data(limit=4)
    data.manifest.save(tmp_path)
    data.save_origins(tmp_path)
    first = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    found = load_origins(tmp_path, Manifest.load(tmp_path).origins_sha256)
    assert len(found.pictures) == 4 and found.pictures[picture_hash(first)] == "0000000"
    assert data.manifest.same_pairs(replace(data.manifest, origins_sha256=None))
    dev, origins = shutil.copytree(tiny_shards / "dev", tmp_path / "dev"), Origins.of("mine", picture_hash(first))
    replace(Manifest.load(dev), origins_sha256=origins.sha256()).save(dev)
    origins.save(dev)
    with pytest.raises(ValueError, match=r"images.tar and .*dev have 1 picture\(s\) \(0000000 there, mine here\)"):
        make_data(dev=dev)


class Recorder(L.Callback):
    def __init__(self, stop: int | None = None) -> None:
        self.stop, self.features = stop, []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.features.append(batch["features"].clone())
        if trainer.global_step == self.stop:
            trainer.should_stop = True


def test_a_resumed_training_sees_the_same_pictures_and_noise(make_data, train_config, tmp_path):
    def train(data, max_steps, folder, checkpoint=None):
        config = train_config(tmp_path)
        config.model.denoising_weight = 0.0
        torch.manual_seed(0)
        module = build_module(config, data.manifest)
        module.configure_optimizers = lambda: torch.optim.SGD(module.network().parameters(), 1e-3)
        recorder = Recorder()
        trainer = L.Trainer(
            default_root_dir=folder,
            accelerator="cpu",
            max_steps=max_steps,
            limit_val_batches=0,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            callbacks=[StepSeed(0), recorder],
        )
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
        path = folder / f"{max_steps}.ckpt"
        trainer.save_checkpoint(path)
        return recorder.features, module.network().state_dict(), path

    whole, weights, _ = train(make_data("gaussian:0.2"), 5, tmp_path)
    _, _, stopped = train(make_data("gaussian:0.2"), 3, tmp_path)  # in the middle of the second epoch
    rest, resumed, _ = train(make_data("gaussian:0.2"), 5, tmp_path, stopped)
    assert all(torch.equal(one, other) for one, other in zip(whole[3:], rest, strict=True))
    assert not torch.equal(whole[3], whole[4])
    assert all(torch.equal(weights[name], value) for name, value in resumed.items())
