"""The stages that train a prior and the second judge, through the command line, each for a moment."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save_file

from inverter.__main__ import main
from inverter.evaluation.judge_networks.residual import JudgeSpec, ResidualJudge, load_residual_judge
from inverter.evaluation.judges import Judge
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior
from inverter.priors.training.autoencoder import AutoencoderModule
from inverter.priors.training.denoiser import DenoiserModule
from inverter.priors.training.distillation import DistillModule
from inverter.priors.weights import folder_sha256

SHORT = ["optim.max_time=null", "optim.warmup_steps=1", "trainer.progress=false", "trainer.device=cpu", "resolution=32"]
AUTOENCODER = ["widths=[16,64]", "latent_channels=4", "encoder_blocks=[1,1]", "decoder_blocks=[1,1]"]
AUTOENCODER += ["adversarial_weight=0.5", "adversarial_start=0.4", "discriminator_width=4"]
DENOISER = ["widths=[16,32]", "head_dim=16", "text_width=32", "text_layers=1", "vocabulary=600", "grid_prompts=2"]
DISTILL = ["rank=2", "num_ddim_steps=4", "grid_prompts=2"]
STEPS = ["optim.max_steps=4", "trainer.every_n_seconds=0"]
MODULES = {"autoencoder": AutoencoderModule, "denoiser": DenoiserModule, "distilled": DistillModule}
JUDGE = ["widths=[4,4,8,8]", "depths=[1,1,1,1]", "num_classes=3"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Words that name a shard of 12 pictures of three classes and one of two photos."""
    folder = tmp_path_factory.mktemp("images")
    for name, count, side in (("images", 12, 32), ("photos", 2, 48)):
        with tarfile.open(folder / f"{name}.tar", "w") as tar:
            for number in range(count):
                pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
                buffer = io.BytesIO()
                Image.fromarray(pixels).save(buffer, "PNG")
                texts = {
                    "caption": f"number {number} on the left",
                    "foreground": "a number",
                    "background": "a grey wall",
                }
                texts |= {"label": number % 3} if name == "images" else {}
                for suffix, content in (("png", buffer.getvalue()), ("json", json.dumps(texts).encode())):
                    info = tarfile.TarInfo(f"{number}.{suffix}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    shard = folder / "images.tar"
    return [f"data.shards={shard}", f"data.dev={shard}", "data.batch_size=4", "data.num_workers=0"]


def photos(data: list[str]) -> list[str]:
    shard = Path(data[0].partition("=")[2]).with_name("photos.tar")
    return [f"data.photos={shard}", "data.photo_size=48", "data.photo_share=0.2"]


def last(output: Path) -> dict:
    return torch.load(output / "checkpoints" / "last.ckpt", weights_only=True)


def autoencoder_words(data: list[str], output: Path) -> list[str]:
    return ["train_prior", "autoencoder", *data, *photos(data), *SHORT, *AUTOENCODER, *STEPS, f"output={output}"]


def denoiser_words(autoencoder: Path, data: list[str], output: Path) -> list[str]:
    words = [*data, *photos(data), *SHORT, *DENOISER, *STEPS, f"autoencoder={autoencoder / 'vae'}"]
    return ["train_prior", "denoiser", *words, f"output={output}"]


def distill_words(prior: Path, data: list[str], output: Path) -> list[str]:
    short = [word for word in SHORT if not word.startswith("resolution")]
    return ["train_prior", "distill", *data, *short, *DISTILL, *STEPS, f"prior={prior}", f"output={output}"]


@pytest.fixture(scope="module")
def autoencoder(data: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("autoencoder")
    assert main(autoencoder_words(data, output)) == 0
    return output


@pytest.fixture(scope="module")
def denoiser(autoencoder: Path, data: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("denoiser")
    assert main(denoiser_words(autoencoder, data, output)) == 0
    return output


@pytest.fixture(scope="module")
def distilled(denoiser: Path, data: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("distilled")
    assert main(distill_words(denoiser / "prior", data, output)) == 0
    return output


def test_both_prior_stages_make_a_prior_that_loads(autoencoder: Path, denoiser: Path) -> None:
    prior = load_prior(denoiser / "prior")
    assert isinstance(prior, DiffusionPrior) and prior.latent_shape == (4, 8, 8) and prior.prompts
    picture = prior.decode(prior.sample(prior.condition(["a number"]), num_inference_steps=2))
    assert picture.shape == (1, 3, 32, 32) and picture.isfinite().all()
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(denoiser / "prior")
    assert type(pipeline.vae) is diffusers.AutoencoderDC
    training = json.loads((denoiser / "prior" / "training.json").read_text())
    assert (training["denoiser"]["images_seen"], training["autoencoder"]["steps"]) == (16, 4)
    for run in (autoencoder, denoiser):
        assert list((run / "grids").glob("step-*.png"))


def test_a_finished_training_that_is_started_again_says_what_it_said(
    autoencoder: Path, denoiser: Path, data: list[str]
) -> None:
    """Else a measurement of the prior would be refused as one of another."""
    said = (denoiser / "prior" / "training.json").read_bytes()
    assert b"null" not in said.replace(b'"commit": null', b"")
    assert main(autoencoder_words(data, autoencoder)) == 0
    assert main(denoiser_words(autoencoder, data, denoiser)) == 0
    assert (denoiser / "prior" / "training.json").read_bytes() == said


def test_an_anchored_autoencoder_renews_its_prior(
    denoiser: Path, distilled: Path, data: list[str], tmp_path: Path
) -> None:
    base, output = tmp_path / "base", tmp_path / "renewed"
    shutil.copytree(denoiser / "prior", base)
    shutil.copytree(distilled / "lora", base / "lora")
    (base / "README.md").write_text("a card with figures of another autoencoder")
    sizes = ["widths=[16,64]", "latent_channels=4", "encoder_blocks=[1,2]", "decoder_blocks=[1,1]"]
    words = [*SHORT, *sizes, *STEPS, f"start_from={base / 'vae'}", "anchor_weight=1", "optim.algorithm=muon"]
    assert main(["train_prior", "autoencoder", *data, *words, "relative_loss=true", f"output={output}"]) == 0
    before, after = load_prior(base), load_prior(output / "prior")
    for part in ("unet", "text_encoder"):
        assert folder_sha256(output / "prior", (part,)) == folder_sha256(base, (part,))
    assert after.autoencoder_sha256 != before.autoencoder_sha256
    assert after.weights_sha256 != before.weights_sha256
    assert after.prompts == before.prompts
    assert load_prior(f"{output / 'prior'}+few-step").few_step
    assert not (output / "prior" / "README.md").exists()
    training = json.loads((output / "prior" / "training.json").read_text())
    assert list(training) == ["denoiser", "autoencoder", "autoencoder, renewal 1"]
    assert training["autoencoder, renewal 1"]["steps"] == 4


def test_saved_latents_have_unit_deviation(autoencoder: Path, data: list[str]) -> None:
    from inverter.data.picture_cache import first_pictures

    vae = diffusers.AutoencoderDC.from_pretrained(autoencoder / "vae")
    images = first_pictures(data[1].partition("=")[2], 32, 12)
    with torch.no_grad():
        latents = vae.encode(images * 2 - 1).latent * vae.config.scaling_factor
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(4), rtol=1e-3, atol=0)


@pytest.mark.parametrize("kind", MODULES)
def test_a_resumed_training_equals_an_uninterrupted_one(
    kind: str, data: list[str], tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, module = request.getfixturevalue(kind), MODULES[kind]
    words = {
        "autoencoder": lambda: autoencoder_words(data, tmp_path),
        "denoiser": lambda: denoiser_words(request.getfixturevalue("autoencoder"), data, tmp_path),
        "distilled": lambda: distill_words(request.getfixturevalue("denoiser") / "prior", data, tmp_path),
    }[kind]()
    original = module.training_step

    def interrupted(self, batch, batch_idx):
        if self.global_step == 3:
            raise KeyError("power cut")
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(module, "training_step", interrupted)
        with pytest.raises(KeyError):
            main(words)
    assert last(tmp_path)["global_step"] == 3
    assert main(words) == 0
    found, expected = last(tmp_path), last(whole)
    for part in ("state_dict", "current_model_state"):
        assert found[part].keys() == expected[part].keys() != set()
        for name, value in expected[part].items():
            torch.testing.assert_close(found[part][name], value, rtol=0, atol=1e-6, msg=f"{part} {name}")


def test_a_judge_is_trained_and_published(data: list[str], tmp_path: Path) -> None:
    words = [*data, *SHORT, *JUDGE, "optim.max_steps=3", f"val={data[1].partition('=')[2]}", f"output={tmp_path}"]
    classes = tmp_path / "classes.json"
    classes.write_text(json.dumps(["one", "two", "three"]))
    assert main(["train_judge", *words, f"classes={classes}"]) == 0
    judge = load_residual_judge(str(tmp_path / "judge"))
    assert judge.spec.classes == ("one", "two", "three")
    assert judge(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    accuracy = json.loads((tmp_path / "judge" / "judge.json").read_text())["accuracy"]
    assert accuracy["split"] == "val" and accuracy["num_pictures"] == 12
    card = (tmp_path / "judge" / "README.md").read_text()
    assert f"top-1 on val | {accuracy['top1']['mean']:.3f}" in card
    assert "optim.max_time=null optim.max_steps=" in card


def test_a_prior_is_distilled_and_measured(
    denoiser: Path,
    data: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prior = tmp_path / "prior"
    shutil.copytree(denoiser / "prior", prior)
    words = distill_words(prior, data, tmp_path / "distilled")
    assert main([*words, "optim.max_steps=2", "publish=true"]) == 0
    few = load_prior(f"{prior}+few-step")
    assert few.weights_sha256 != load_prior(prior).weights_sha256
    assert list((tmp_path / "distilled" / "grids").glob("*.png"))

    weights = next((prior / "vae").glob("*.safetensors"))
    whole = weights.read_bytes()
    save_file({name: value * 1.01 for name, value in load(whole).items()}, weights)
    assert main([*words, "optim.max_steps=3", "publish=true"]) == 2
    assert "the run in output was begun with" in capsys.readouterr().err
    weights.write_bytes(whole)

    shard = data[0].partition("=")[2]
    toy = Judge("residual", "toy", ResidualJudge(JudgeSpec(16, (4, 4, 8, 8), (1, 1, 1, 1), 3)).eval())
    monkeypatch.setattr("inverter.lab.stages.evaluate_prior.load_judges", lambda *_, **__: ([toy], []))
    sizes = ["num_samples=6", "num_text=6", "num_memory=4", "num_speed=2", "num_photos=4", "steps=[1,2]"]
    words = [f"prior={prior}+few-step", f"val={shard}", f"train={shard}", *sizes, "num_bootstrap=20"]
    words += ["num_inference_steps=2", "judges=[residual]", "device=cpu", f"output={tmp_path / 'measured'}"]
    assert main(["evaluate_prior", *words]) == 0
    record = json.loads((tmp_path / "measured" / "prior_metrics.json").read_text())
    assert set(record["parts"]) == {
        *("round_trip/val", "round_trip/photos", "kid/train pictures", "kid/round trip", "kid/Gaussian latents"),
        *("kid/2 steps, guidance 1", "kid/1 steps, guidance 1"),
        *("text", "background", "memory", "speed"),
    }
    trip = record["parts"]["round_trip/val"]
    gain = trip["psnr"]["mean"] - trip["linear"]["psnr"]["mean"]
    assert trip["gain_over_linear"]["mean"] == pytest.approx(gain, abs=1e-4)
    assert record["parts"]["memory"]["real"]["max"] == 60  # val is the training shard here
    assert record["parts"]["kid/train pictures"]["residual"]["kid"]["mean"] is not None
    card = (tmp_path / "measured" / "README.md").read_text()
    assert "needs 5000 against 5000 images" in card and "denoiser: 16 pictures" in card and "close" in card
    assert "| val, by principal components of as many channels | 6 |" in card and "dB over principal comp" in card
    assert "few-step variant: 8 pictures" in card and "'steps=[1, 2]'" in card and "StableDiffusionPipeline" not in card
    assert (tmp_path / "measured" / "samples.png").is_file()

    monkeypatch.setattr("inverter.lab.prior.measures.measure_round_trip", lambda *_: pytest.fail("again"))
    assert main(["evaluate_prior", *words]) == 0
    assert main(["evaluate_prior", *words, "num_text=5"]) == 2
    assert "was made with " in capsys.readouterr().err
