"""The denoiser that obeys features, beside the one of its prior; LoRAs that go with an inverter."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inverter.blackbox.build import load_run, run_inverter
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.load import load_inverter
from inverter.blackbox.published import read_published
from inverter.blackbox.trained import load_trained_inverter
from inverter.config import DrawConfig, PublishConfig
from inverter.data.manifest import Manifest
from inverter.evaluation.results import Results, SentSize
from inverter.priors.control_pairs import ControlPairs
from inverter.priors.load import load_prior
from inverter.priors.parts import write_control_denoiser
from inverter.priors.variant import few_step_name, has_few_step
from inverter.run.hub import checkpoints_root
from inverter.stages import publish, train
from inverter.targets.target import weights_sha256


@pytest.fixture
def folder(tiny_prior_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_prior_folder, tmp_path / "checkpoints" / "tiny"))


@pytest.fixture
def checkpoints(folder, monkeypatch) -> Path:
    """A folder of published things with the toy prior in it."""
    root = folder.parent
    for module in ("inverter.run.hub", "inverter.stages.publish", "inverter.publish.denoiser"):
        monkeypatch.setattr(f"{module}.checkpoints_root", lambda: root)
    assert checkpoints_root() != root
    return root


def test_the_suffix_names_the_denoiser_that_obeys(folder):
    base = load_prior(folder)
    with pytest.raises(ValueError, match=r"has no unet_control, a denoiser that obeys features"):
        load_prior(f"{folder}+control")
    with torch.no_grad():
        for parameter in base.denoiser.parameters():
            parameter.mul_(1.1)
    write_control_denoiser(base.denoiser, folder)
    other, plain = load_prior(f"{folder}+control"), load_prior(folder)
    for name, value in other.denoiser.state_dict().items():
        torch.testing.assert_close(value, base.denoiser.state_dict()[name].half().float())
    assert other.weights_sha256 != plain.weights_sha256 and other.autoencoder_sha256 == plain.autoencoder_sha256
    assert few_step_name(other.name) == f"{folder}+few-step" and not has_few_step(other.name)
    with pytest.raises(ValueError, match=r"allowed: one of \+few-step and \+control"):
        load_prior(f"{folder}+control+few-step")


def evaluated(run: Path, **draw: object) -> Path:
    """A run, or one of its inverters, that says that it was evaluated."""
    weights = weights_sha256(run_inverter(load_run(run)[0]))
    environment = {"processor": "x", "threads": 1}
    results = Results(
        (), {}, (), (), SentSize(1, 1), 1, 1, None, weights, "x", (), {"draw": draw}, 0, None, environment
    )
    results.save(run / "evaluation" / "metrics.json")
    return run


def drawn(inverter: Inverter, features: torch.Tensor) -> torch.Tensor:
    return inverter.sample(features, generator=torch.Generator().manual_seed(0))


def test_inverters_of_one_run_share_the_tuned_denoiser(train_config, tiny_shards, checkpoints, folder, tmp_path):
    config = train_config(tmp_path / "run", max_steps=3)
    config.prior, config.model.tune = str(folder), "full"
    config.data.also = [str(tiny_shards)]
    run = train.run(config)
    names = ("first", "second")
    for name, part in zip(names, (run, run / "also-1"), strict=True):
        evaluated(part, num_inference_steps=3, guidance_interval=[0.2, 0.9])
        publish.run(PublishConfig(run=str(part), name=name, output=str(checkpoints)))
    features = torch.randn(2, *Manifest.load(run).target.feature_shape)
    for name, part in zip(names, (run, run / "also-1"), strict=True):
        published = read_published(str(checkpoints / name))
        assert published.prior == f"{folder}+control" and published.spec.guidance_interval == (0.2, 0.9)
        trained = run_inverter(load_run(part)[0]).redraw(
            DrawConfig(num_inference_steps=3, guidance_interval=[0.2, 0.9])
        )
        found = load_inverter(str(checkpoints / name))
        torch.testing.assert_close(drawn(found, features), drawn(trained, features), rtol=1e-3, atol=1e-3)
    told, beside = (Manifest.load(tiny_shards / "train"), "; the denoiser learned from features of tiny at features.2")
    prior = load_prior(f"{folder}+control")
    assert prior.control_pairs == (ControlPairs.of(Manifest.load(run)), ControlPairs.of(Manifest.load(run / "also-1")))
    assert beside in Manifest.load(run / "also-1").threat_model and beside not in told.threat_model
    assert load_trained_inverter(str(checkpoints / "second")).threat_model.count(beside) == 2
    (folder / "unet_control" / "pairs.json").unlink()
    assert load_prior(f"{folder}+control").weights_sha256 == prior.weights_sha256
    shutil.rmtree(folder / "unet_control")
    with pytest.raises(ValueError, match="has no unet_control"):
        load_inverter(str(checkpoints / "first"))


def test_another_tuned_denoiser_is_not_lost(train_config, checkpoints, folder, tmp_path):
    config = train_config(tmp_path / "run", max_steps=1)
    config.prior, config.model.tune = str(folder), "full"
    evaluated(run := train.run(config))
    write_control_denoiser(load_prior(folder).denoiser, folder)
    with pytest.raises(ValueError, match=r"has another denoiser in unet_control, which published inverters may need"):
        publish.run(PublishConfig(run=str(run), name="mine", output=str(checkpoints)))


def test_a_tuned_denoiser_needs_a_place(train_config, tmp_path):
    config = train_config(tmp_path / "run", max_steps=1)
    config.model.tune = "full"
    evaluated(run := train.run(config))
    (tmp_path / "published").mkdir()
    with pytest.raises(
        ValueError, match=r"where a tuned denoiser is kept; copy it there, or train with model.tune=lora"
    ):
        publish.run(PublishConfig(run=str(run), name="mine", output=str(tmp_path / "published")))


def test_a_lora_goes_with_its_inverter(train_config, tiny_prior, tmp_path):
    config = train_config(tmp_path / "run", max_steps=4, lr=0.05)
    config.model.tune, config.model.rank, config.model.denoising_every_n_steps = "lora", 2, 1
    evaluated(run := train.run(config))
    (tmp_path / "published").mkdir()
    folder = publish.run(PublishConfig(run=str(run), name="mine", output=str(tmp_path / "published")))
    features, trained = torch.randn(2, *Manifest.load(run).target.feature_shape), run_inverter(load_run(run)[0])
    found = load_inverter(str(folder))
    torch.testing.assert_close(drawn(found, features), drawn(trained, features), rtol=1e-2, atol=1e-2)
    before = {name: value.clone() for name, value in tiny_prior.denoiser.state_dict().items()}
    load_inverter(str(folder), tiny_prior)
    assert all(torch.equal(value, before[name]) for name, value in tiny_prior.denoiser.state_dict().items())
    path = folder / "denoiser_lora.safetensors"
    state = load_file(path)
    save_file({name: value for name, value in state.items() if "mid_block" not in name}, path)
    with pytest.raises(
        ValueError, match=r"denoiser_lora.safetensors cannot be used: weight unet\.mid_block.* is absent"
    ):
        load_inverter(str(folder))
    path.unlink()
    with pytest.raises(ValueError, match=r"denoiser_lora.safetensors is missing, which tunes its denoiser"):
        load_inverter(str(folder))
