import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from inverter.blackbox.ancestors import ancestors, ancestors_of, notes
from inverter.blackbox.build import build_module, load_run, run_inverter
from inverter.blackbox.config import TrainConfig
from inverter.blackbox.load import load_inverter
from inverter.blackbox.published import read_published
from inverter.blackbox.start import start, tuned_state
from inverter.blackbox.trained import load_trained_inverter
from inverter.data.manifest import Manifest
from inverter.publish.card import began_with
from inverter.publish.inverter import save_inverter
from inverter.publish.training_record import training_record
from inverter.run.checkpoints import read_checkpoint
from inverter.stages import train


@pytest.fixture
def manifest(tiny_shards):
    return Manifest.load(tiny_shards / "train")


@pytest.fixture
def config(train_config, tmp_path):
    return train_config(tmp_path / "run", max_steps=1, lr=0.0)


@pytest.fixture
def published(tiny_published, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_published, tmp_path / "toy"))


def tell(published: Path, **training: object) -> None:
    values = OmegaConf.load(published / "config.yaml")
    values.training.update(training)
    OmegaConf.save(values, published / "config.yaml")


def weights(run: Path) -> dict:
    state = read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"]
    return {key.removeprefix("inverters.0."): value for key, value in state.items() if key.startswith("inverters.0.")}


def test_a_training_begins_with_the_published_weights(config, published, tiny_prior_folder, tmp_path):
    """At a learning rate of 0; with the weights of another prior."""
    other = Path(shutil.copytree(tiny_prior_folder, tmp_path / "other"))
    values = OmegaConf.load(published / "config.yaml")
    OmegaConf.save({**values, "prior_sha256": "0" * 64}, published / "config.yaml")
    with pytest.raises(ValueError, match=r"was trained with prior"):
        load_inverter(str(published), str(other))
    config.start_from = str(published)
    run = train.run(config)
    OmegaConf.save(values, published / "config.yaml")
    expected = load_inverter(str(published)).state_dict()
    torch.testing.assert_close(weights(run), dict(expected), rtol=0, atol=0)


def test_a_run_says_what_it_began_with_and_goes_on_without_it(config, published):
    config.start_from = str(published)
    file = hashlib.sha256((published / "model.safetensors").read_bytes()).hexdigest()
    run = train.run(config)
    begun = json.loads((run / "train.json").read_text())["began_with"]
    assert [each["name"] for each in begun] == ["toy"]
    assert (begun[0]["weights_sha256"], begun[0]["pairs_seen"], begun[0]["source"]) == (file, 40, "prior")
    shutil.rmtree(published)
    config.optim.max_steps = 2
    train.run(config)
    assert json.loads((run / "train.json").read_text())["began_with"] == begun
    assert json.loads((run / "summary.json").read_text())["steps"] == 2
    subject = load_trained_inverter(str(run))
    assert subject.began_with == begun
    assert notes(begun, "black-box") == [
        f"Began with toy (weights {file[:12]}), trained on 10 pairs from prior, where retrieval does not look. "
        "Its threat model: x."
    ]
    assert "Its threat" not in notes(begun, "x")[0]


def test_what_began_with_one_that_began_with_another_names_both(config, published, manifest, tmp_path):
    config.start_from = str(published)
    first = train.run(config)
    record = training_record(first, config, manifest)
    assert [each["name"] for each in record["began_with"]] == ["toy"]
    module = build_module(config, manifest)
    module.inverter.prior.name = config.prior
    save_inverter(module.inverter, tmp_path / "second", manifest.target, record)
    assert load_trained_inverter(str(tmp_path / "second")).began_with == record["began_with"]
    both = start(build_module(config, manifest), str(tmp_path / "second"), manifest.target)
    assert [each["name"] for each in both] == ["second", "toy"]
    card = began_with(both)
    assert card.startswith("`second` (file `") and ", which began with `toy` (file `" in card
    assert "40 pairs seen of prior" in card


@pytest.mark.parametrize(("key", "value"), [("width", 32), ("depth", 2), ("coarse_width", 32), ("head", False)])
def test_other_sizes_are_refused(config, manifest, published, key, value):
    setattr(config.model, key, value)
    with pytest.raises(ValueError, match=rf"start_from=.*toy: its {key}\w* is .*; allowed: .*, that of model, pairs"):
        start(build_module(config, manifest), str(published), manifest.target)


def test_another_resolution_is_refused_though_all_weights_would_fit(config, manifest, published):
    module = build_module(config, manifest)
    module.inverter.spec = replace(module.inverter.spec, resolution=64, latent_shape=(4, 16, 16))
    with pytest.raises(ValueError, match=r"its latent_shape is \(4, 8, 8\); allowed: \(4, 16, 16\)"):
        start(module, str(published), manifest.target)


def test_other_features_are_refused(config, manifest, published):
    with pytest.raises(ValueError, match=r"start_from=.*toy: inverter 'toy' .*features\.2.*features\.7"):
        start(build_module(config, manifest), str(published), replace(manifest.target, layer="features.7"))


def test_the_baseline_begins_with_nothing(train_config, manifest, published, tmp_path):
    module = build_module(train_config(tmp_path, "upconv"), manifest)
    with pytest.raises(ValueError, match=r"start_from is .*; allowed with model.kind=inverter only"):
        start(module, str(published), manifest.target)


@pytest.mark.parametrize(
    ("key", "value"),
    [("pairs_seen", -1), ("pairs_seen", "40"), ("pairs", True), ("source", "a | b"), ("source", "a\nb")],
)
def test_what_would_be_published_of_it_is_checked(published, key, value):
    tell(published, **{key: value})
    with pytest.raises(ValueError, match=rf"toy: training: {key} is .*; allowed: "):
        ancestors(read_published(str(published)))


def test_its_own_beginnings_are_checked(published):
    for wrong in ("toy", ["toy"], [{"name": "toy"}]):
        tell(published, began_with=wrong)
        with pytest.raises(ValueError, match=r"training\.began_with is|training: weights_sha256 is None"):
            ancestors_of(read_published(str(published)))


def test_a_start_that_fails_leaves_the_run_that_is_there(config, published):
    run = train.run(config)
    before = weights(run)
    tell(published, pairs_seen="many")
    config.start_from, config.resume = str(published), False
    with pytest.raises(ValueError, match="pairs_seen is 'many'"):
        train.run(config)
    torch.testing.assert_close(weights(run), before, rtol=0, atol=0)


def test_a_run_goes_on_with_the_same_start_only(config, published):
    train.run(config)
    config.start_from = str(published)
    with pytest.raises(ValueError, match=r"was made with start_from="):
        train.run(config)


def test_a_record_that_lost_its_beginning_is_not_published(config, published, manifest):
    config.start_from = str(published)
    run = train.run(config)
    record = json.loads((run / "train.json").read_text())
    (run / "train.json").write_text(json.dumps({**record, "began_with": []}))
    with pytest.raises(ValueError, match=r"train\.json does not say what start_from=.* was; train again"):
        training_record(run, config, manifest)


def test_a_training_of_its_own_began_with_random_weights(config, manifest):
    run = train.run(config)
    assert training_record(run, config, manifest)["began_with"] == []
    assert began_with([]) == "random weights"
    assert TrainConfig(output="x").start_from is None


def test_a_training_begins_with_a_run_of_undefended_features(config, manifest, tmp_path):
    """Of the same layer and shape; its payload and the network's weights may be others."""
    first = train.run(replace(config, output=str(tmp_path / "first")))
    module = build_module(config, manifest)
    sent = replace(manifest.target, payload="int8", weights_sha256="1" * 64)
    (begun,) = start(module, str(first), sent)
    file = hashlib.sha256((first / "checkpoints" / "best.ckpt").read_bytes()).hexdigest()
    assert (begun["name"], begun["weights_sha256"], begun["pairs"]) == ("first", file, 10)
    expected = load_trained_inverter(str(first)).inverter.state_dict()
    torch.testing.assert_close(dict(module.inverter.state_dict()), dict(expected), rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"start_from=.*first: inverter 'first' takes features .* with feature_shape"):
        start(module, str(first), replace(manifest.target, feature_shape=(6, 5, 6)))
    (first / "summary.json").unlink()
    with pytest.raises(ValueError, match=r"start_from=.*first is no finished training run"):
        start(module, str(first), sent)


@pytest.mark.parametrize("tune", ["lora", "full"])
def test_a_tuned_denoiser_comes_along_or_is_refused(config, tune, manifest, tmp_path):
    config.model.tune, config.model.rank, config.model.denoising_every_n_steps, config.optim.lr = tune, 2, 1, 0.05
    first = train.run(config)
    trained = tuned_state(run_inverter(load_run(first)[0]))
    fresh = build_module(config, manifest)
    assert any(not torch.equal(value, trained[key]) for key, value in tuned_state(fresh.inverter).items())
    start(fresh, str(first), manifest.target)
    torch.testing.assert_close(tuned_state(fresh.inverter), trained, rtol=0, atol=0)
    assert all(p.requires_grad for p in fresh.denoiser.parameters()) == (tune == "full")
    for changes in ({"tune": "none"}, {"tune": "lora", "rank": 4}):
        other = build_module(replace(config, model=replace(config.model, **changes)), manifest)
        with pytest.raises(ValueError, match=rf"would be lost; allowed: model\.tune={tune}"):
            start(other, str(first), manifest.target)


def test_a_published_lora_comes_along(config, manifest, tmp_path):
    config.model.tune, config.model.rank, config.model.denoising_every_n_steps, config.optim.lr = "lora", 2, 1, 0.05
    config.optim.max_steps = 2
    inverter = run_inverter(load_run(train.run(config))[0])
    inverter.prior.name = config.prior
    save_inverter(
        inverter,
        tmp_path / "mine",
        manifest.target,
        {"source": "x", "threat_model": "x", "pairs": 1, "pairs_seen": 1},
    )
    fresh = build_module(config, manifest)
    start(fresh, str(tmp_path / "mine"), manifest.target)
    torch.testing.assert_close(tuned_state(fresh.inverter), tuned_state(inverter), rtol=0, atol=0)
    (tmp_path / "mine" / "denoiser_lora.safetensors").unlink()
    with pytest.raises(ValueError, match=r"denoiser_lora.safetensors is missing"):
        start(fresh, str(tmp_path / "mine"), manifest.target)


def test_a_published_denoiser_is_that_of_its_prior_or_is_refused(config, published, manifest):
    values = OmegaConf.load(published / "config.yaml")
    values.inverter.tune = "full"
    OmegaConf.save(values, published / "config.yaml")
    start(build_module(config, manifest), str(published), manifest.target)
    OmegaConf.save({**values, "prior_sha256": "0" * 64}, published / "config.yaml")
    with pytest.raises(ValueError, match=r"its denoiser is that of prior .* with weights 000000000000, and prior has"):
        start(build_module(config, manifest), str(published), manifest.target)
