"""`inverter invert` with methods that differentiate the target."""

import json
import shutil
import signal
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from PIL import Image

from inverter.__main__ import main
from inverter.data.clip_writer import write_clip
from inverter.whitebox import loop

TARGET = ["target.name=timm:tf_efficientnet_lite0", "target.layer=blocks.1", "target.input_size=64", "device=cpu"]
SHORT = {
    "direct": ["direct.num_steps=6"],
    "latent": ["latent.num_steps=4", "latent.num_inference_steps=2"],
    "guided": ["guided.num_inference_steps=2", "guided.num_recurrences=2"],
    "hybrid": ["hybrid.num_steps=3", "hybrid.polish=true", "hybrid.pixels.num_steps=3"],
}


def words(method: str, prior: Path, given: Path, output: Path) -> list[str]:
    common = [f"method={method}", f"prior={prior}", f"input={given}", f"output={output}"]
    return ["invert", "configs/invert.yaml", *TARGET, *common, *SHORT[method]]


@pytest.mark.parametrize("method", SHORT)
def test_a_picture_and_its_features_give_the_same_reconstruction(method, photo, tiny_prior_folder, tmp_path):
    for name in ("photo.png", "photo.npy"):
        assert main(words(method, tiny_prior_folder, photo / name, tmp_path / name)) == 0
    one, other = (tmp_path / name / "recon" / "photo.png" for name in ("photo.png", "photo.npy"))
    assert one.read_bytes() == other.read_bytes()
    summary = json.loads((tmp_path / "photo.png" / "summary.json").read_text())
    row = summary["images"]["photo"]
    assert row["feature_loss"] <= row["first_feature_loss"]
    assert row["target_queries"] == {"direct": 6, "latent": 4, "guided": 4, "hybrid": 6}[method]
    assert row["denoiser_calls"] == {"direct": 0, "latent": 8, "guided": 4, "hybrid": 1}[method]
    sizes = [Image.open(tmp_path / name / "preview.png").size for name in ("photo.png", "photo.npy")]
    assert sizes == [(36, 70), (32, 32)]  # the original is shown where it was given
    assert not (tmp_path / "photo.png" / "state").exists()


def test_a_stopped_command_goes_on(photo, tiny_prior_folder, tmp_path, monkeypatch):
    command = words("direct", tiny_prior_folder, photo / "photo.png", tmp_path / "whole")
    assert main(command) == 0
    step = loop.Run.step

    def stop(run: loop.Run) -> None:
        step(run)
        if run.steps_done == 3:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(loop.Run, "step", stop)
        with pytest.raises(SystemExit) as ended:
            main([*command, f"output={tmp_path / 'parts'}"])
    assert ended.value.code == 128 + signal.SIGTERM
    assert (tmp_path / "parts" / "recon" / "photo.png").is_file()
    assert json.loads((tmp_path / "parts" / "summary.json").read_text())["stopped_by"] == "SIGTERM"
    assert main([*command, f"output={tmp_path / 'parts'}"]) == 0
    one, other = (tmp_path / name / "recon" / "photo.png" for name in ("whole", "parts"))
    assert one.read_bytes() == other.read_bytes()


def test_another_input_leaves_no_picture_of_the_one_before(photo, tiny_prior_folder, tmp_path, caplog):
    other = shutil.copy(photo / "photo.png", tmp_path / "other.png")
    (tmp_path / "methods.yaml").write_text("latent: {lr: 1}\n")
    for given in (photo / "photo.png", Path(other)):
        more = [f"{tmp_path}/methods.yaml", "loop.max_queries=2"]
        assert main([*words("direct", tiny_prior_folder, given, tmp_path / "out"), *more]) == 0
    assert [path.name for path in (tmp_path / "out" / "recon").iterdir()] == ["other.png"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["stopped_by"], summary["keys"], summary["input_size"]) == ("max_queries", ["other"], 64)
    assert "latent.lr has no effect with method=direct; it is read with method=latent" in caplog.messages


def test_a_clip_becomes_a_clip(tiny_prior_folder, tmp_path):
    frames = torch.stack([torch.full((3, 32, 32), 20 * i, dtype=torch.uint8) for i in range(4)])
    write_clip(tmp_path / "clip.mp4", frames, Fraction(10))
    smooth = ["smoothing.weight=0.1", "smoothing.window=3", "smoothing.overlap=1"]
    command = words("latent", tiny_prior_folder, tmp_path / "clip.mp4", tmp_path / "out")
    assert main([*command, *smooth]) == 0
    assert len(list((tmp_path / "out" / "recon").iterdir())) == 4
    assert (tmp_path / "out" / "clip.mp4").stat().st_size > 500
    clip = json.loads((tmp_path / "out" / "summary.json").read_text())["clip"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["film"] == "clip.mp4"
    assert len(clip["psnr"]) == 4
    assert len(clip["flicker"]) == 3
    assert clip["mean_flicker"] > 0


def test_prompts_and_several_layers(photo, tiny_prior_folder, tmp_path, caplog):
    (tmp_path / "prompts.csv").write_text("key,foreground,background\nphoto,a dog,a zeppelin\n")
    command = words("latent", tiny_prior_folder, photo / "photo.png", tmp_path / "out")
    layers = ["layers=[blocks.0,blocks.1]", "target.payload=gaussian:0.1", "loop.distance=cosine"]
    assert main([*command, *layers, f"prompts={tmp_path / 'prompts.csv'}", "guidance_scale=2"]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["layers"] == ["blocks.0", "blocks.1"]
    assert summary["denoiser_calls"] == 16
    assert "never had zeppelin" in caplog.text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["method=sideways"], "allowed: blackbox, direct, guided, hybrid, latent"),
        (["latent.lr=1"], "latent.lr is 1.0, which method=direct does not read; allowed: with method=latent"),
        (["prompt=a dog"], "prompt is 'a dog', which method=direct does not read"),
        (["inverter=no-such"], "inverter 'no-such' not found"),
        (["layers=[blocks.0]"], "features of 'photo' have shape"),
        (["loop.statistics=inverter"], "loop.statistics is 'inverter', but there is none"),
        (["loop.distance=l1"], "distance is 'l1'; allowed: mse, sum, cosine"),
        (["limit=0"], "limit is 0; allowed: 1 or more"),
    ],
)
def test_bad_values_are_one_line(photo, tiny_prior_folder, tmp_path, capsys, more, message):
    assert main([*words("direct", tiny_prior_folder, photo / "photo.npy", tmp_path), *more]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
