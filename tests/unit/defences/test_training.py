"""What trains, what is written, and what becomes of numbers that are not finite."""

import io
import json
import math
import tarfile
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from inverter.config import TargetConfig
from inverter.data.origins import load_origins
from inverter.defences import load_defended
from inverter.defences.adversary import Adversary, reverse_gradient
from inverter.defences.data import SourceModule
from inverter.defences.kinds import DEFENCES, DefenceConfig
from inverter.defences.module import DefenceModule
from inverter.defences.modules.siamese import nearest_answers
from inverter.losses.dependence import distance_correlation
from inverter.payloads.payload import StraightThrough
from inverter.stages import defend
from inverter.targets.defence import read_defence


def build(config):
    return DEFENCES[config.defence.kind].build(config, load_defended(config.target))


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_only_the_devices_half_changes(defend_config, tmp_path):
    assert {name.split(".")[1] for name in weights(defend.run(defend_config(tmp_path / "device")))} == {"0", "1"}
    both = defend.run(defend_config(tmp_path / "both", tune_server=True))
    assert {name.split(".")[1] for name in weights(both)} == {"0", "1", "3", "6"}


def test_what_is_written(defend_config, tmp_path):
    folder = defend.run(defend_config(tmp_path / "run", "bottleneck", bits=4))
    spec = read_defence(folder)
    assert spec.cut == {"kind": "channels", "channels": 2} and spec.payload == "minmax:4:-1:1"
    assert spec.settings["bits"] == 4 and "kind" not in spec.settings
    origins = load_origins(folder, spec.origins_sha256)
    assert len(origins.pictures) == 24 and origins.num_sources == 24
    assert "origins_sha256" not in replace(spec, origins_sha256=None).to_dict()
    assert spec.trained_on.startswith("folder:pictures") and "/" not in spec.trained_on
    assert (spec.utility.num_images, spec.utility.num_labels, spec.utility.top1) == (8, 0, None)
    assert spec.utility.sent_bytes == 2 * 8 * 8 / 2 and spec.utility.undefended_bytes == 4 * 8 * 8 * 8
    target = load_defended(TargetConfig(spec.target.name, 16, defence=str(folder), layer="2", payload="zlib")).target
    assert (target.spec.payload, target.spec.feature_shape) == ("zlib", (2, 8, 8))
    assert len(target(torch.rand(1, 3, 16, 16)).unique()) <= 16


def test_noise_is_drawn_anew_and_belongs_to_the_target(defend_config, tmp_path):
    folder = defend.run(defend_config(tmp_path / "run", "noise"))
    target = load_defended(TargetConfig(defend_config(tmp_path).target.name, 16, defence=str(folder), layer="2")).target
    images, own = torch.rand(2, 3, 16, 16), target.spec.payload
    assert own == "identity" and read_defence(folder).payload == "gaussian:0.5"
    one, other = target(images), target(images)
    assert not torch.equal(one, other)
    target.seed_payload(3)
    again = target(images)
    target.seed_payload(3)
    assert torch.equal(target(images), again)


@pytest.mark.parametrize("kind", ["noise", "disco", "cem"])
def test_a_stopped_run_goes_on_exactly(kind, defend_config, tmp_path, monkeypatch):
    whole = defend.run(defend_config(tmp_path / "whole", kind))
    config, step = defend_config(tmp_path / "parts", kind), DefenceModule.training_step

    def stops(module, batch, batch_idx):
        if module.global_step == 2:
            raise KeyError("stopped")
        return step(module, batch, batch_idx)

    monkeypatch.setattr(DefenceModule, "training_step", stops)
    with pytest.raises(KeyError, match="stopped"):
        defend.run(config)
    monkeypatch.undo()
    parts = defend.run(config)
    assert torch.load(parts / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 4
    assert read_defence(parts).mark == read_defence(whole).mark


def test_nopeek_lowers_the_distance_correlation(defend_config, tmp_path):
    config = defend_config(tmp_path / "run", weight=30.0)
    config.optim.max_steps, config.optim.ema_decay = 60, 0.0
    folder = defend.run(config)
    images = next(iter(SourceModule(config, tmp_path / "run").val_dataloader()))["image"]
    name = config.target.name
    before, after = (
        distance_correlation(images, load_defended(TargetConfig(name, 16, defence=each, layer="2")).target(images))
        for each in (None, str(folder))
    )
    assert after < 0.9 * before


def test_the_decoder_learns_what_the_device_unlearns(defend_config, tmp_path):
    torch.manual_seed(0)
    module = build(defend_config(tmp_path, "adversarial", weight=2.0))
    images = torch.rand(8, 3, 16, 16)
    features = module.split.target(images)
    plain = Adversary((8, 8, 8), 16, 4)
    plain.load_state_dict(module.decoder.state_dict())
    (wanted,) = torch.autograd.grad(plain.error(features, images), features, retain_graph=True)
    error = module.decoder.error(reverse_gradient(features, 2.0), images)
    (reversed_,) = torch.autograd.grad(error, features, retain_graph=True)
    torch.testing.assert_close(reversed_, -2 * wanted)
    error.backward()
    plain.error(features.detach(), images).backward()
    for one, other in zip(module.decoder.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("shape", [(3, 40, 40), (3, 5, 7), (10, 6), (12,)])
def test_a_decoder_of_any_features_gives_pictures(shape):
    pictures = Adversary(shape, 24, 4)(torch.rand(2, *shape))
    assert pictures.shape == (2, 3, 24, 24) and pictures.min() >= 0 and pictures.max() <= 1


def test_discos_decoder_moves_the_choice_alone(defend_config, tmp_path):
    module = build(defend_config(tmp_path, "disco"))
    batch = {"image": torch.rand(4, 3, 16, 16)}
    module.penalty(module.split.target(batch["image"]), batch, torch.rand(4, 5)).backward()
    assert all(value.grad is None for value in module.split.network.parameters())
    assert module.split.target.cut.scores[-1].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["adversarial", "disco"])
def test_validation_counts_the_decoders_error_for_the_device(kind, defend_config, tmp_path):
    """Patience looks at it: a decoder that gets worse is no reason to stop."""
    module = build(defend_config(tmp_path, kind, weight=2.0)).eval()
    images = torch.rand(4, 3, 16, 16)
    features = module.split.target(images)
    found = module.penalty(features, {"image": images}, torch.rand(4, 5))
    torch.testing.assert_close(found, -2 * module.decoder.error(features, images))


def test_the_cache_tells_priors_apart(defend_config, tmp_path, monkeypatch):
    config = defend_config(tmp_path / "run")
    config.data.source, config.data.pictures = "prior", 4
    found = []
    for mark in "ab":
        prior = SimpleNamespace(
            weights_sha256=mark * 64,
            few_step=True,
            prompts=(),
            condition=lambda prompts: torch.zeros(len(prompts), 1, 1),
            sample=lambda conditioning, mark=mark, **_: torch.full((len(conditioning), 3, 8, 8), float(mark == "b")),
            decode=lambda latents: latents,
        )
        monkeypatch.setattr("inverter.defences.data.load_prior", lambda _, prior=prior: prior)
        found.append(SourceModule(config, tmp_path / "run").first(4).mean().item())
    assert found == [0, 1]


def test_cem_counts_what_a_gaussian_channel_carries(defend_config, tmp_path):
    module = build(defend_config(tmp_path, "cem", std=0.5, weight=1.0, num_clusters=1)).eval()
    images = torch.rand(6, 3, 16, 16)
    features = module.split.layer_features(images).flatten(1)
    features = (features / features.std(1, correction=0, keepdim=True)).double()
    module.centres.copy_(features.mean(0).view_as(module.centres))
    nats = 0.5 * (1 + features.var(0, correction=0) / 0.25).log().mean()
    found = module.penalty(torch.empty(0), {"image": images}, torch.empty(0))
    torch.testing.assert_close(found.double(), nats, rtol=1e-4, atol=1e-6)


def test_siamese_pairs_without_labels():
    answer = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    same = nearest_answers(answer)
    assert same.tolist() == [[False, True, False], [True, False, True], [False, True, False]]


def test_siamese_refuses_pictures_without_the_label_that_pairs_them(defend_config, tmp_path):
    config = defend_config(tmp_path, "siamese")
    config.data.labels = True
    module, batch = build(config), {"label": torch.tensor([0, 1, -1])}
    with pytest.raises(ValueError, match="pictures have labels from -1 to 1; allowed: 0 to 4"):
        module.penalty(torch.rand(3, 8), batch, torch.rand(3, 5))


def test_labels_of_the_pictures(defend_config, tmp_path, pictures, dev_pictures):
    for name, found in (("train", sorted(pictures.iterdir())[:16]), ("dev", sorted(dev_pictures.iterdir()))):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as shard:
            for number, path in enumerate(found):
                words = json.dumps({"label": number % 5}).encode()
                shard.add(path, f"{number:02d}.png")
                entry = tarfile.TarInfo(f"{number:02d}.json")
                entry.size = len(words)
                shard.addfile(entry, io.BytesIO(words))
    config = defend_config(tmp_path / "run", label_weight=1.0)
    with pytest.raises(ValueError, match=r"defence.label_weight=1.0; allowed: 0, or above 0 with data.labels=true"):
        defend.run(config)
    config.data.labels = True
    with pytest.raises(ValueError, match="pictures have labels from -1 to -1; allowed: 0 to 4"):
        defend.run(config)
    config.data.source, config.data.dev = (f"shards:{tmp_path / name}.tar" for name in ("train", "dev"))
    config.output = str(tmp_path / "labelled")
    utility = read_defence(defend.run(config)).utility
    assert utility.num_labels == 8
    base, batches = load_defended(config.target), SourceModule(config, tmp_path / "labelled").val_dataloader()
    hits = torch.cat([base(batch["image"]).argmax(1) == batch["label"] for batch in batches]).float().mean()
    assert utility.undefended_top1 == pytest.approx(hits.item())


def test_numbers_that_are_not_finite(defend_config, tmp_path, monkeypatch):
    config = defend_config(tmp_path / "run")
    config.optim.max_steps = 6
    calls = []

    def breaks(images, features):
        calls.append(0)
        return distance_correlation(images, features) * (math.nan if len(calls) > 9 else 1)

    monkeypatch.setattr("inverter.defences.modules.nopeek.distance_correlation", breaks)
    message = (
        r"defence.kind=nopeek: the loss is NaN or infinite at step (\d); .*/last.ckpt keeps the last good state, of "
        r"step (\d): optim.max_steps=\2 writes the defence from it; a lower optim.lr"
    )
    with pytest.raises(ValueError, match=message) as raised:
        defend.run(config)
    assert not (tmp_path / "run" / "defence.json").exists()
    monkeypatch.undo()
    config.optim.max_steps = int(str(raised.value).partition("optim.max_steps=")[2].split()[0])
    assert 0 < config.optim.max_steps < 6
    spec = read_defence(defend.run(config))
    assert all(value.isfinite().all() for value in weights(tmp_path / "run").values())
    summary = json.loads((tmp_path / "run" / "defend.summary.json").read_text())
    assert summary["steps"] == config.optim.max_steps and summary["utility"]["agreement"] == spec.utility.agreement


def test_a_gradient_that_is_not_finite(defend_config, tmp_path, monkeypatch):
    def breaks(images, features):
        return StraightThrough.apply(features.sum() * math.nan, torch.zeros(()))

    monkeypatch.setattr("inverter.defences.modules.nopeek.distance_correlation", breaks)
    with pytest.raises(ValueError, match="the gradient is NaN or infinite at step 0; no state was kept, since none"):
        defend.run(defend_config(tmp_path / "run"))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("nopeek", {"weight": 0.0}, "defence.weight=0.0; allowed: above 0"),
        ("nopeek", {"payload": "minmax:8:fit"}, "defence.payload=minmax:8:fit; a defence needs a fixed range"),
        ("noise", {"payload": "int8"}, "defence.payload=int8 draws no noise; allowed"),
        ("bottleneck", {"bits": 17}, "defence.bits=17; allowed: 1 to 16"),
        ("bottleneck", {"channels": 9}, "channels=9; allowed: 1 to 8, the layer's"),
        ("disco", {"ratio": 1.0}, "ratio=1.0; allowed: between 0 and 1"),
        ("adversarial", {"decoder_width": 0}, "defence.decoder_width=0; allowed: 1 or more"),
        ("adversarial", {"decoder_lr": math.inf}, "defence.decoder_lr=inf; allowed: above 0"),
        ("cem", {"std": -1.0}, "defence.std=-1.0; allowed: above 0"),
        ("cem", {"num_clusters": 100}, "defence.num_clusters=100; allowed: 1 to 24, the pictures"),
        ("cem", {"momentum": 1.5}, "defence.momentum=1.5; allowed: above 0, at most 1"),
        ("siamese", {"margin": 0.0}, "defence.margin=0.0; allowed: above 0"),
    ],
)
def test_settings_out_of_range(kind, settings, message, defend_config, tmp_path):
    with pytest.raises(ValueError, match=message):
        defend.run(defend_config(tmp_path / "run", kind, **settings))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("3.inner", "layer='3.inner' is no place to split"),
        ("2+3", r"target.layer='2\+3' are several layers; allowed: one"),
        ("9", "layer='9' is not in module:toy_defended:build"),
    ],
)
def test_layers_that_cannot_be_split_at(layer, message, defend_config, tmp_path):
    with pytest.raises(ValueError, match=message):
        defend.run(defend_config(tmp_path / "run", layer=layer))


def test_targets_that_are_changed_already(defend_config, tmp_path):
    config = defend_config(tmp_path / "run")
    for change, message in (
        ({"payload": "int8"}, "target.payload='int8'; a defence is trained on the undefended features, allowed: ident"),
        ({"defence": "x"}, "target.defence='x'; a defence is trained on the undefended features, allowed: leave it"),
    ):
        with pytest.raises(ValueError, match=message):
            build_only = replace(config, target=replace(config.target, **change))
            DEFENCES["nopeek"].build(build_only, load_defended(config.target))


def test_a_kind_has_its_own_settings():
    assert not hasattr(DefenceConfig.of_kind("noise"), "weight")
    with pytest.raises(ValueError, match=r"defence.kind is 'other'; allowed: adversarial, bottleneck, cem, disco"):
        DefenceConfig.of_kind("other")
