import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from inverter.config import PrepareConfig, TargetConfig
from inverter.data import sender, unfinished
from inverter.data.build import PairBuilder
from inverter.data.datamodule import PairDataModule, pair_loader
from inverter.data.manifest import Manifest
from inverter.data.reader import PairDataset
from inverter.data.sources.photos import PHOTOS, find_photo
from inverter.payloads.minmax import MinMax
from inverter.run.record import commit
from inverter.stages import prepare
from inverter.targets.spec import DefenceMark
from inverter.targets.target import MultiTarget


class FakePrior(nn.Module):
    resolution = 8
    latent_shape = (1, 2, 2)
    weights_sha256 = "1" * 64
    autoencoder_sha256 = "2" * 64
    few_step = False
    prompts = ("a cat", "a dog")

    def encode(self, images):
        return images.mean(1, keepdim=True)[..., ::4, ::4]

    def condition(self, prompts):
        return torch.zeros(len(prompts), 1, 1)

    def sample(self, conditioning, *, num_inference_steps, generator):
        return torch.rand(len(conditioning), 3, 8, 8, generator=generator)

    def decode(self, latents):
        return latents


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    def load_targets(name: str, layers: list[str], *, input_size: int, payload: str, **given: Any) -> MultiTarget:
        generator = torch.Generator().manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU())
        with torch.no_grad():
            for weights in network.parameters():
                weights.copy_(torch.randn(weights.shape, generator=generator))
        mean, std = (given.get(key, [0.5, 0.5, 0.5]) for key in ("mean", "std"))
        return MultiTarget(network, layers, name=name, input_size=input_size, mean=mean, std=std, payload=payload)

    monkeypatch.setattr(sender, "load_targets", load_targets)
    monkeypatch.setattr(prepare, "load_prior", lambda *_: FakePrior())


@pytest.fixture
def config(tmp_path) -> PrepareConfig:
    target = TargetConfig(name="tiny", layer="1", input_size=9)
    output = str(tmp_path / "data")
    return PrepareConfig(target=target, output=output, pairs=7, shard_size=3, batch_size=2, precision="fp32")


def test_the_few_step_variant_draws_where_there_is_one(config, monkeypatch):
    monkeypatch.setattr(prepare, "has_few_step", lambda name: True)
    assert prepare.drawing_prior(config) == "embedded+few-step"
    assert prepare.drawing_prior(replace(config, source="photos")) == "embedded"
    monkeypatch.setattr(prepare, "has_few_step", lambda name: False)
    assert prepare.drawing_prior(config) == "embedded"


@pytest.mark.parametrize("prompts", [[], ["a dog"]])
def test_the_threat_model_names_the_texts(config, monkeypatch, prompts):
    monkeypatch.setattr(FakePrior, "prompts", prompts)
    threat_model = Manifest.load(prepare.run(config)).threat_model
    assert ("and the prompts they were drawn from" in threat_model) == bool(prompts)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pairs_hold_what_target_and_prior_say(config):
    folder = prepare.run(config)
    manifest = Manifest.load(folder)
    manifest.verify(folder)
    assert [shard.count for shard in manifest.shards] == [3, 3, 1]
    assert (manifest.num_pairs, manifest.num_sources, manifest.resolution) == (7, 7, 8)
    target = sender.load_targets("tiny", ["1"], input_size=9, payload="identity", pretrained=True)
    assert manifest.target == target.specs["1"]
    (batch,) = pair_loader(folder, 7)
    features = target(batch["image"])["1"]
    torch.testing.assert_close(batch["features"], features, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(batch["latents"], FakePrior().encode(batch["image"]), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(manifest.feature_mean, batch["features"].double().mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(manifest.feature_std, batch["features"].double().std((0, 2, 3), correction=0), rtol=1e-6)


@pytest.mark.parametrize(("source", "payload"), [("prior", "gaussian:0.1"), ("photos", "identity")])
def test_a_resumed_run_writes_the_same_bytes(config, source, payload):
    config.source, config.target.payload = source, payload
    config.augment = "jitter"
    folder = prepare.run(config)
    whole = contents(folder)
    (folder / "manifest.json").unlink()
    (folder / "pairs-000001.tar").unlink()
    kept = (folder / "pairs-000000.tar").stat().st_mtime_ns
    prepare.run(config)
    assert contents(folder) == whole
    assert (folder / "pairs-000000.tar").stat().st_mtime_ns == kept


def layer_configs(config: PrepareConfig) -> list[PrepareConfig]:
    return [
        replace(config, target=replace(config.target, layer=layer), output=f"{config.output}-{layer}")
        for layer in ("0", "1")
    ]


def test_layers_together_give_what_each_gives_alone(config, monkeypatch):
    config.target.payload, config.precision = "gaussian:0.1", "bf16"
    configs = layer_configs(config)
    alone = [contents(prepare.run(replace(c, output=f"{c.output}-alone"))) for c in configs]
    drawn = []
    draw = FakePrior.sample
    monkeypatch.setattr(FakePrior, "sample", lambda *a, **k: drawn.append(1) or draw(*a, **k))
    folders = prepare.prepare_together(configs)
    assert [contents(folder) for folder in folders] == alone
    assert len(drawn) == 2 + 2 + 1  # shards of 3, 3 and 1 pairs in batches of 2, once for both layers
    (folders[1] / "manifest.json").unlink()
    (folders[1] / "pairs-000001.tar").unlink()
    kept = {path: path.stat().st_mtime_ns for path in folders[0].iterdir()}
    assert prepare.prepare_together(configs) == folders
    assert [contents(folder) for folder in folders] == alone
    assert kept == {path: path.stat().st_mtime_ns for path in folders[0].iterdir()}


def test_payloads_together_give_what_each_gives_alone_in_one_pass(config, monkeypatch):
    payloads = ["identity", "gaussian:0.1", "minmax:8:fit", "topk:0.5+int8"]
    configs = [
        replace(config, target=replace(config.target, payload=payload), output=f"{config.output}-{number}")
        for number, payload in enumerate(payloads)
    ]
    alone = [contents(prepare.run(replace(c, output=f"{c.output}-alone"))) for c in configs]
    passes = []
    forward = nn.Conv2d.forward
    monkeypatch.setattr(nn.Conv2d, "forward", lambda self, x: passes.append(len(x)) or forward(self, x))
    assert [contents(folder) for folder in prepare.prepare_together(configs)] == alone
    probes, fitted = 2 * len(payloads), 4  # all 7 pictures, in batches of 2, once
    assert len(passes) == probes + fitted + 5  # shards of 3, 3 and 1 pairs in batches of 2, once for all payloads


def test_payloads_that_are_fitted_to_unlike_numbers_of_pictures_give_what_each_gives_alone(config, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(MinMax, "num_fit", 3)  # 1 and a half batches
    monkeypatch.setattr("inverter.payloads.pq.PER_CENTROID", 3)  # so 6 vectors for 2 centroids
    configs = [
        replace(config, target=replace(config.target, payload=payload), output=f"{config.output}-{number}")
        for number, payload in enumerate(["minmax:8:fit", "pq:2x1:fit", "identity"])
    ]
    alone = [contents(prepare.run(replace(c, output=f"{c.output}-alone"))) for c in configs]
    together = prepare.prepare_together(configs)
    assert [contents(folder) for folder in together] == alone
    exact = np.stack([pair["features"] for pair in PairDataset(together[2])])
    found = [Manifest.load(folder).target.payload for folder in together]
    assert float(found[0].split(":")[3]) == pytest.approx(exact[:3].max(), rel=1e-3) != pytest.approx(exact.max())
    assert [path.name for path in together[1].glob("codebooks-*")] == [f"codebooks-{found[1][-16:]}.safetensors"]


def test_pairs_of_a_defence_that_was_trained_anew_since_are_refused(config, monkeypatch):
    config.target.defence = "runs/nopeek"
    first, second = DefenceMark("nopeek", "a" * 64), DefenceMark("nopeek", "b" * 64)
    load = sender.load_targets

    def load_defended(*given, **named):
        target = load(*given, **named)
        target.specs = {layer: replace(spec, defence=first) for layer, spec in target.specs.items()}
        return target

    monkeypatch.setattr(sender, "load_targets", load_defended)
    monkeypatch.setattr(unfinished, "find_mark", lambda folder: first)
    assert prepare.run(config) == prepare.run(config)
    monkeypatch.setattr(unfinished, "find_mark", lambda folder: second)
    message = (
        r"target.defence='runs/nopeek' is nopeek \(bbbbbbbbbbbb\), but .*train was made with nopeek \(aaaaaaaaaaaa\)"
    )
    with pytest.raises(ValueError, match=message):
        prepare.run(config)


def test_an_attacker_may_believe_in_another_preprocessing(config):
    exact = PairDataset(prepare.run(config))
    believed = PairDataset(
        prepare.run(replace(config, mean=[0.0] * 3, std=[1.0] * 3, output=f"{config.output}-believed"))
    )
    assert believed.manifest.target.preprocessing["mean"] == [0.0] * 3
    assert believed.manifest.target.weights_sha256 == exact.manifest.target.weights_sha256
    assert not np.allclose(believed[0]["features"], exact[0]["features"])
    with pytest.raises(ValueError, match=r"mean=\[0.0\], std=None; allowed with features that are captured: null"):
        prepare.run(replace(config, mean=[0.0], features="captured"))


def test_layers_together_must_share_their_pictures(config):
    first, second = layer_configs(config)
    with pytest.raises(ValueError, match=r"everything but target and output"):
        prepare.prepare_together([first, replace(second, seed=1)])
    for changed in (replace(second, output=first.output), replace(second, target=first.target)):
        with pytest.raises(ValueError, match="each layer and payload once, each in a folder of its own"):
            prepare.prepare_together([first, changed])
    with pytest.raises(ValueError, match="features='captured' are those of one layer"):
        prepare.prepare_together([replace(c, features="captured") for c in (first, second)])


def test_a_finished_folder_returns_at_once(config, monkeypatch):
    folder = prepare.run(config)
    monkeypatch.setattr(prepare, "load_prior", None)
    assert prepare.run(config) == folder


def test_another_recipe_is_refused(config):
    folder = prepare.run(config)
    config.target.layer = "0"
    with pytest.raises(ValueError, match=r"was made with target.*choose another output or delete it"):
        prepare.run(config)
    config.target.layer = "1"
    (folder / "prepare.json").unlink()
    with pytest.raises(ValueError, match=r"holds shards but no prepare.json"):
        prepare.run(config)


def test_the_record_names_the_commit_and_no_device(config, monkeypatch):
    """Where pairs were computed is no part of their recipe, but in which precision is one of their folder."""
    folder = prepare.run(config)
    saved = json.loads((folder / "prepare.json").read_text())
    assert saved["commit"] == commit()
    assert not {"device", "precision"} & set(saved["recipe"])
    assert saved["precisions"] == ["fp32"]
    config.device, config.precision = "cpu", "auto"
    assert prepare.run(config) == folder
    (folder / "manifest.json").unlink()
    monkeypatch.setattr(prepare, "pick_precision", lambda name, device: "bf16" if name == "auto" else name)
    for precision in ("bf16", "auto"):
        config.precision = precision
        with pytest.raises(ValueError, match="holds shards computed in fp32, now it is bf16; set precision=fp32 to go"):
            prepare.run(config)
    config.precision = "fp32"
    prepare.run(config)
    assert Manifest.load(folder).precision == "fp32"
    config.precision = "bf16"
    with pytest.raises(ValueError, match="holds shards computed in fp32, now it is bf16"):
        prepare.run(config)  # a finished folder, too
    config.precision = "fp32"
    config.device, config.split = "tpu", "dev"
    with pytest.raises(ValueError, match=r"device is 'tpu'; allowed: auto, cpu, cuda"):
        prepare.run(config)


def test_max_time_keeps_whole_shards_and_the_next_run_goes_on(config, monkeypatch):
    config.max_time = 0
    folder = prepare.run(config)
    assert Manifest.load(folder).num_pairs == 3
    config.max_time = None
    prepare.run(config)
    assert Manifest.load(folder).num_pairs == 7
    monkeypatch.setattr(MultiTarget, "forward", lambda *_: pytest.fail("the target runs again"))
    monkeypatch.setattr(FakePrior, "encode", lambda *_: pytest.fail("the encoder runs again"))
    prepare.run(config)


def test_photos_count_as_few_sources(config):
    config.source, config.pairs, config.shard_size, config.precision = "photos", 12, 12, "bf16"
    assert Manifest.load(prepare.run(config)).num_sources == 10


def test_captured_pairs_need_no_target(config, tmp_path, monkeypatch):
    monkeypatch.setattr(sender, "load_targets", None)
    pictures, features = tmp_path / "pictures", tmp_path / "features"
    for folder in (pictures, features):
        folder.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (12, 9), "red").save(pictures / f"{name}.png")
        np.save(features / f"{name}.npy", np.full((5,), 2.0, dtype=np.float32))
    config.source, config.features, config.pairs = f"folder:{pictures}", str(features), None
    (batch,) = pair_loader(prepare.run(config), 4)
    assert batch["features"].tolist() == [[2.0] * 5] * 2
    spec = {**Manifest.load(Path(config.output) / "train").target.to_dict(), "payload": "ours-v1" + "x" * 99}
    (features / "spec.json").write_text(json.dumps(spec))
    config.output = f"{tmp_path}/own"
    manifest = Manifest.load(prepare.run(config))
    assert manifest.target.payload == spec["payload"]
    assert re.search(r"; of 'ours-v1x*\.\.\.x*', .* own, nothing is known here$", manifest.threat_model)
    config.output, config.augment = f"{tmp_path}/other", "jitter"
    with pytest.raises(ValueError, match="with captured features allowed: folder:PATH and none"):
        prepare.run(config)


def test_what_does_not_fit_on_the_disk_is_refused_before_anything_is_written(config, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    with pytest.raises(ValueError, match=r"output: .* has 10 kB free; the pairs need 2\d.* kB: take fewer pairs"):
        prepare.run(config)
    assert list(Path(config.output).rglob("*.*")) == []


@pytest.mark.parametrize("half", [False, True], ids=["stored in half precision", "network in half precision"])
def test_features_that_overflow_half_precision_say_what_to_do(config, monkeypatch, half):
    class Large(nn.Module):
        def forward(self, images):
            features = images.mean(1, keepdim=True) * 0 + 70000
            return features.half().float() if half else features

    def load_targets(name, layers, *, input_size, payload, **_):
        network = nn.Sequential(nn.Identity(), Large())
        return MultiTarget(network, layers, name=name, input_size=input_size, mean=[0.5] * 3, std=[1.0] * 3)

    monkeypatch.setattr(sender, "load_targets", load_targets)
    stored = "reach 70000, float16 ends at 65504; set feature_dtype=float32"
    with pytest.raises(ValueError, match="hold NaN or infinity; .* a float32 target" if half else stored):
        prepare.run(config)
    assert not list(Path(config.output).rglob("*.tar*"))
    config.feature_dtype = "float32"  # into the same folder: nothing was written that the new recipe could spoil
    if not half:
        (batch,) = pair_loader(prepare.run(config), 7)
        assert (batch["features"] == 70000).all()


def test_a_folder_of_an_older_version_goes_on(config):
    folder = prepare.run(config)
    path = folder / "prepare.json"
    saved = json.loads(path.read_text())
    saved["recipe"] = {key: value for key, value in saved["recipe"].items() if not key.startswith("video.")}
    saved["recipe"]["precision"] = "bf16"  # no part of a recipe any more
    path.write_text(json.dumps(saved))
    assert prepare.run(config) == folder
    config.video.stride = 2
    with pytest.raises(ValueError, match=r"was made with video"):
        prepare.run(config)


def test_shards_of_an_older_version_have_no_origins(config, caplog):
    """Pairs of a version that noted neither precision nor pictures are gone on with, and said to be unknown."""
    folder = prepare.run(config)
    saved, record = (json.loads((folder / name).read_text()) for name in ("prepare.json", "pairs-000000.json"))
    (folder / "prepare.json").write_text(json.dumps({**saved, "precisions": ["bf16", "fp32"]}))
    del record["origins"]
    (folder / "pairs-000000.json").write_text(json.dumps(record))
    (folder / "manifest.json").unlink()
    manifest = Manifest.load(prepare.run(config))
    assert (manifest.precision, manifest.origins_sha256, manifest.num_sources) == ("unknown", None, 7)
    config.split = "dev"
    prepare.run(config)
    assert "train has no origins.json: whether" in caplog.text


def save_pictures(folder: Path, names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", (12, 9), (10 * ord(name) % 256, 7, 9)).save(folder / f"{name}.png")


@pytest.mark.parametrize("complete", [True, False])
def test_a_folder_that_grew_gives_the_new_pictures_or_says_so(config, tmp_path, complete, caplog):
    save_pictures(tmp_path / "pictures", "abcd")
    config.source, config.pairs = f"folder:{tmp_path / 'pictures'}", None
    folder = prepare.run(config)
    if not complete:
        (folder / "manifest.json").unlink()
    save_pictures(tmp_path / "pictures", "ef")
    prepare.run(config)
    assert [pair["key"] for pair in PairDataset(folder)] == list("abcdef")
    save_pictures(tmp_path / "pictures", "A")  # comes first: the shards would hold others
    with pytest.raises(ValueError, match=r"earlier state of source=folder:.*: 6 file\(s\) then, 7 now"):
        prepare.run(config)
    (tmp_path / "pictures" / "A.png").unlink()
    save_pictures(tmp_path / "pictures", "abcdef")
    whole = contents(folder)
    prepare.run(config)
    assert contents(folder) == whole
    shutil.rmtree(tmp_path / "pictures")
    if complete:
        prepare.run(config)
        assert "is not compared with its source: source=folder:" in caplog.text


def test_pictures_behind_those_that_were_asked_for_change_nothing(config, tmp_path):
    save_pictures(tmp_path / "pictures", "abcd")
    config.source, config.pairs = f"folder:{tmp_path / 'pictures'}", 3
    whole = contents(prepare.run(config))
    save_pictures(tmp_path / "pictures", "ef")
    assert contents(prepare.run(config)) == whole


def test_a_finished_folder_of_an_older_version_is_compared_by_number(config, tmp_path, caplog):
    save_pictures(tmp_path / "pictures", "ab")
    config.source, config.pairs = f"folder:{tmp_path / 'pictures'}", None
    folder = prepare.run(config)
    saved = json.loads((folder / "prepare.json").read_text())
    del saved["source"]
    (folder / "prepare.json").write_text(json.dumps(saved))
    save_pictures(tmp_path / "pictures", "cd")
    prepare.run(config)
    assert "holds 2 pairs, but source=folder:" in caplog.text and "has 4 pictures now" in caplog.text


def test_splits_that_share_pictures_are_refused(config, tmp_path, caplog):
    save_pictures(tmp_path / "pictures", "abcd")
    config.source, config.pairs = f"folder:{tmp_path / 'pictures'}", None
    train = prepare.run(config)
    save_pictures(tmp_path / "others", "xy")
    shutil.copy(tmp_path / "pictures" / "b.png", tmp_path / "others" / "z.png")
    config.source, config.split, config.augment = f"folder:{tmp_path / 'others'}", "dev", "jitter"
    dev = prepare.run(config)
    message = r"train and .*dev have 1 picture\(s\) \(b there, z here\) in common; take pictures of its own"
    with pytest.raises(ValueError, match=message):
        PairDataModule(str(train), str(dev))
    assert "have 1 picture(s)" in caplog.text  # said as soon as they are there
    (tmp_path / "others" / "z.png").unlink()
    shutil.rmtree(dev)
    assert PairDataModule(str(train), str(prepare.run(config))).num_pairs == 4


def test_a_picture_that_is_there_twice_is_one_source(config, tmp_path):
    save_pictures(tmp_path / "pictures", "ab")
    shutil.copy(tmp_path / "pictures" / "a.png", tmp_path / "pictures" / "c.png")
    config.source, config.pairs = f"folder:{tmp_path / 'pictures'}", None
    manifest = Manifest.load(prepare.run(config))
    assert (manifest.num_pairs, manifest.num_sources) == (3, 2)


def test_frames_of_one_clip_on_both_sides_are_refused(config, tmp_path):
    path = find_photo(next(photo for photo in PHOTOS if photo.group == "carphone"))
    shutil.copy(path, tmp_path / "other.mp4")
    config.source, config.pairs = f"video:{path}", 2
    train = prepare.run(config)
    config.source, config.split, config.video.stride = f"video:{tmp_path / 'other.mp4'}", "dev", 7
    with pytest.raises(ValueError, match=r"and 1 photo\(s\) or clip\(s\) \(carphone_pristine there, other here\)"):
        PairDataModule(str(train), str(prepare.run(config)))


def test_frames_of_a_clip_keep_clip_and_number(config, tmp_path):
    photo = next(photo for photo in PHOTOS if photo.group == "carphone")
    config.source, config.pairs, config.video.stride = f"video:{find_photo(photo)}", 4, 5
    folder = prepare.run(config)
    manifest = Manifest.load(folder)
    assert (manifest.num_pairs, manifest.num_sources, manifest.source) == (4, 1, "video:carphone_pristine.mp4")
    pairs = list(PairDataset(folder))
    assert [(pair["clip"], pair["frame"]) for pair in pairs] == [("carphone_pristine", n) for n in (0, 5, 10, 15)]


@pytest.mark.parametrize(
    ("payload", "size"),
    [("int8", 68), ("gaussian:0.5", 256), ("topk:0.5+minmax:4", 8 + 8 + 16), ("minmax:2:0:0.5", 16)],
)
def test_what_is_stored_is_what_arrives(config, payload, size):
    exact = PairDataset(prepare.run(config))
    assert exact.manifest.sent_bytes == 4 * 64
    config.target.payload, config.output = payload, f"{config.output}-{payload}"
    sent = PairDataset(prepare.run(config))
    assert sent.manifest.target.payload == payload
    assert sent.manifest.sent_bytes == size
    assert f"; of {payload} it knows " in sent.manifest.threat_model
    for one, other in zip(exact, sent, strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
        change = (other["features"] - one["features"]).astype(np.float32)
        assert 0 < np.abs(change).mean() < np.abs(one["features"]).mean()


def test_a_range_is_fitted_to_the_training_pairs_and_kept(config, monkeypatch):
    exact = [pair["features"] for pair in PairDataset(prepare.run(config))]
    config.target.payload, config.output = "minmax:8:fit+zlib", f"{config.output}-fit"
    with pytest.raises(ValueError, match=r"takes its range from .*train, where no pairs are: prepare them first"):
        prepare.run(replace(config, split="dev"))
    fit, sizes = MultiTarget.fit, []
    monkeypatch.setattr(MultiTarget, "fit", lambda self, given: fit(self, [sizes.append(len(x)) or x for x in given]))
    train = Manifest.load(prepare.run(config)).target.payload
    assert sizes == [2, 2, 2, 1]  # of all shards
    low, high = map(float, train.removesuffix("+zlib").split(":")[2:])
    assert train.startswith("minmax:8:")
    assert low == min(each.min() for each in exact)
    assert high == pytest.approx(max(each.max() for each in exact), rel=1e-3)
    monkeypatch.setattr(PairBuilder, "fit", lambda *_: pytest.fail("measured again"))
    dev = prepare.run(replace(config, split="dev", seed=1))
    assert Manifest.load(dev).target.payload == train
    other = replace(config, split="val", target=replace(config.target, payload="minmax:7:fit+zlib"))
    with pytest.raises(
        ValueError, match=r"target\.payload=minmax:7:fit\+zlib, but the pairs in .* were made with minmax:8"
    ):
        prepare.run(other)
    (dev / "pairs-000000.tar").unlink()
    (dev / "manifest.json").unlink()
    prepare.run(replace(config, split="dev", seed=1))


def test_fewer_pictures_than_pairs_is_a_warning(config, tmp_path, caplog):
    Image.new("RGB", (12, 9), "red").save(tmp_path / "a.png")
    config.source = f"folder:{tmp_path}"
    prepare.run(config)
    assert "pairs=7, but" in caplog.text


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("source", "webcam", "allowed: prior, photos, table, folder:PATH, shards:PATTERN, video:PATH, torchvision:"),
        ("split", "test", "split='test'; allowed: train, dev, val"),
        ("augment", "flip", "augment='flip'; allowed: none, jitter, vary"),
        ("precision", "fp16", "precision='fp16'; allowed: auto, bf16, fp32"),
        ("batch_size", 0, "batch_size=0"),
        ("shard_size", 0, "shard_size=0"),
        ("feature_dtype", "int8", "feature_dtype='int8'"),
    ],
)
def test_values_that_are_not_allowed(config, name, value, message):
    setattr(config, name, value)
    with pytest.raises(ValueError, match=message):
        prepare.run(config)
    assert not list(Path(config.output).rglob("*.tar*"))
