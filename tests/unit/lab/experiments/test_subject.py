"""What is attacked, and what decides its cells."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from inverter.config import NetworkConfig
from inverter.lab.experiments.attempt import Attempt
from inverter.lab.experiments.cell import CellFile
from inverter.lab.experiments.config import MethodsExperimentConfig, PointConfig
from inverter.lab.experiments.subject import FEW_STEP, Subject, applicable, invert_config, known_methods, load_subject
from inverter.priors.families.stable_diffusion import DENOISER
from inverter.priors.few_step import add_lora, lora_state, save_lora
from inverter.priors.load import load_prior
from inverter.priors.variant import FOLDER, WEIGHTS
from inverter.priors.weights import folder_sha256


def test_a_cell_of_another_prior_or_inverter_is_refused(tmp_path):
    target = SimpleNamespace(specs={"blocks.2": SimpleNamespace(weights_sha256="target", defence=None)})
    folder = tmp_path / "published"
    folder.mkdir()

    def cell(prior: str, inverter: str | None) -> CellFile:
        if inverter is not None:
            (folder / "model.safetensors").write_text(inverter)
        published = None if inverter is None else SimpleNamespace(folder=folder)
        known = SimpleNamespace(weights_sha256=prior)
        subject = Subject(PointConfig(), target, target, published, {}, known)  # type: ignore[arg-type]
        return CellFile(tmp_path, "cell", Attempt(subject, "direct", None, 0).recipe(MethodsExperimentConfig()))

    cell("prior", "one").save()
    cell("prior", "one")
    with pytest.raises(ValueError, match="was made with prior_sha256='prior', now 'other'; choose another output"):
        cell("other", "one")
    with pytest.raises(ValueError, match=r"was made with inverter_sha256='[0-9a-f]{64}', now '[0-9a-f]{64}';"):
        cell("prior", "two")
    with pytest.raises(ValueError, match=r"was made with inverter_sha256='[0-9a-f]{64}', now None;"):
        cell("prior", None)


def test_a_cell_knows_the_settings_of_its_own_method_only():
    spec = SimpleNamespace(weights_sha256="", defence=None)
    target = SimpleNamespace(specs={"blocks.2": spec})
    subject = Subject(PointConfig(), target, target, None, {}, SimpleNamespace(weights_sha256=""))  # type: ignore[arg-type]
    config = MethodsExperimentConfig()

    def recipes() -> dict[str, dict]:
        names = ("direct", "guided", "hybrid", "hybrid_unpolished", "hybrid_without_prior")
        return {name: Attempt(subject, name, None, 0).recipe(config) for name in names}

    before = recipes()
    config.hybrid.lr = 0.5
    after = recipes()
    assert [name for name in before if before[name] != after[name]] == [
        "hybrid",
        "hybrid_unpolished",
        "hybrid_without_prior",
    ]
    config.loop.distance = "cosine"
    assert all(after[name] != found for name, found in recipes().items())


def test_rivals_and_ablations_differ_in_what_their_names_say():
    config, point = MethodsExperimentConfig(), PointConfig("blocks.2", 224)
    told = {name: invert_config(config, point, name, 0) for name in known_methods()}
    assert (told["guided"].guided.start, told["guided_inverter"].guided.start) == ("noise", "inverter")
    assert told["guided_inverter"].method == "guided" and told["hybrid_without_prior"].method == "hybrid"
    assert told["hybrid_without_prior"].hybrid == replace(told["hybrid_unpolished"].hybrid, prior_every_n_steps=0)
    assert config == MethodsExperimentConfig()


def test_what_is_measured_has_none_of_the_devices_noise():
    config = MethodsExperimentConfig(target=NetworkConfig(payload="gaussian:0.5", pretrained=False), device="cpu")
    point, prior = PointConfig("blocks.1", 64), SimpleNamespace(weights_sha256="")
    subject = load_subject(config, point, prior)  # type: ignore[arg-type]
    assert subject.own.specs["blocks.1"].weights_sha256 == subject.spec.weights_sha256
    picture = torch.randint(256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sent, recon = subject.features([picture], ["0"], 0), picture[None].float() / 255
    losses = [subject.loss(recon, sent, "sum") for _ in range(2)]
    assert torch.equal(*losses)
    assert not torch.equal(sent, subject.own(recon)["blocks.1"])
    assert losses[0] == pytest.approx(float((sent - subject.own(recon)["blocks.1"]).square().sum()), rel=1e-4)


def test_the_few_step_method_is_there_where_the_prior_has_the_variant(tiny_prior_folder, tmp_path):
    folder = tmp_path / "prior"
    shutil.copytree(tiny_prior_folder, folder)
    point = PointConfig("blocks.1", 64)
    config = MethodsExperimentConfig(prior=str(folder), target=NetworkConfig(pretrained=False), device="cpu")
    config.latent.num_inference_steps, config.latent.strength = 4, 0.5
    prior = load_prior(folder)
    subject = load_subject(config, point, prior)
    assert FEW_STEP not in applicable(subject, known_methods(), config, prior.resolution)
    variant = load_prior(folder)
    add_lora(variant.denoiser, 2, 5.0)
    about = {"denoiser_sha256": folder_sha256(folder, DENOISER)}
    save_lora(lora_state(variant.denoiser), folder / FOLDER / WEIGHTS, about)
    assert FEW_STEP in applicable(subject, known_methods(), config, prior.resolution)
    assert subject.prior_of("latent") is prior
    assert subject.prior_of(FEW_STEP).few_step and not prior.few_step
    assert subject.sha256("latent")["prior_sha256"] != subject.sha256(FEW_STEP)["prior_sha256"]
    told = invert_config(config, point, FEW_STEP, 0)
    assert (told.method, told.prior) == ("latent", f"{folder}+few-step")
    assert (told.latent.num_inference_steps, told.latent.strength) == (1, 1.0)
    config.prior = f"{folder}+few-step"
    assert FEW_STEP not in applicable(subject, known_methods(), config, prior.resolution)
