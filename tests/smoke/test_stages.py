"""Every stage through the command line, on a toy prior and the real EfficientNet-Lite0."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from inverter import Inverter
from inverter.__main__ import main
from inverter.blackbox.config import TrainConfig
from inverter.config import load_config
from inverter.data.sources.photos import PHOTOS
from inverter.priors.load import load_prior

TARGET = ["target.layer=blocks.1", "target.input_size=64"]
LAYER_SHAPE = (24, 16, 16)
SIZES = ["model.width=16", "model.depth=1", "model.coarse_width=16", "model.head_width=8"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_prior_folder: Path) -> Path:
    """Folder with pair shards, a trained and evaluated run, and a published inverter."""
    root = tmp_path_factory.mktemp("world")
    prior = f"prior={tiny_prior_folder}"
    shared = [*TARGET, prior, f"output={root / 'pairs'}", "shard_size=8"]
    for config, pairs in (("prepare.yaml", 16), ("prepare_dev.yaml", 8), ("prepare_val.yaml", 24)):
        files = ["configs/prepare.yaml"] if config == "prepare.yaml" else ["configs/prepare.yaml", f"configs/{config}"]
        assert main(["prepare", *files, *shared, f"pairs={pairs}"]) == 0
    short = ["data.batch_size=4", "optim.max_steps=12", "optim.max_time=null", "trainer.progress=false"]
    short.append("trainer.device=cpu")
    pairs = f"data.path={root / 'pairs'}"
    for kind, sizes in (("inverter", SIZES), ("upconv", [])):
        words = [*TARGET, prior, pairs, *sizes, *short, f"model.kind={kind}", f"output={root / kind}"]
        assert main(["train", "configs/train.yaml", *words, "data.num_workers=0"]) == 0
    evaluation = [f"inverter={root / 'inverter'}", f"baseline={root / 'upconv'}", "device=cpu", "num_bootstrap=100"]
    assert main(["evaluate", "configs/eval.yaml", *evaluation, "limit=12"]) == 0
    preview = f"preview={root / 'inverter' / 'evaluation'}"
    assert main(["publish", str(root / "inverter"), "name=toy", f"output={root / 'published'}", preview]) == 0
    return root


def test_training_leaves_its_config_numbers_and_pictures(world: Path) -> None:
    run = world / "inverter"
    config = load_config(TrainConfig, [run / "train.yaml"])
    assert config.target.layer == "blocks.1"
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["steps"], summary["pairs"], summary["pairs_seen"]) == (12, 16, 48)
    assert json.loads((run / "train.json").read_text())["seed"] == 0
    assert list((run / "grids").glob("step-*.png"))


def test_training_on_few_batches_warns_of_nothing(
    world: Path, tiny_prior_folder: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    words = [*TARGET, f"prior={tiny_prior_folder}", f"data.path={world / 'pairs'}", f"output={tmp_path}"]
    short = ["optim.max_steps=1", "model.kind=upconv", "data.batch_size=4", "trainer.device=cpu"]
    assert main(["train", "configs/train.yaml", *words, *short, "data.num_workers=0"]) == 0
    messages = [str(warning.message) for warning in recwarn]
    assert not [message for message in messages if "LeafSpec" in message or "log_every_n_steps" in message]


def test_evaluation_reports_attacks_floors_and_ceiling(world: Path) -> None:
    folder = world / "inverter" / "evaluation"
    metrics = json.loads((folder / "metrics.json").read_text())
    kinds = {name: row["kind"] for name, row in metrics["methods"].items()}
    assert kinds == {
        "original": "ceiling",
        "mean": "attack",
        "mean without head": "attack",
        "sample": "attack",
        "upconv": "attack",
        "nearest training image": "floor",
        "mean image": "floor",
        "unconditional sample": "floor",
        "round trip": "ceiling",
    }
    psnr = metrics["methods"]["mean"]["metrics"]["psnr"]
    assert psnr["low"] < psnr["mean"] < psnr["high"] and psnr["n"] == 12 and psnr["groups"] <= len(PHOTOS)
    assert metrics["target"]["layer"] == "blocks.1" and "target" not in metrics["config"]
    calls = {name: row["cost"]["denoiser_calls"] for name, row in metrics["methods"].items() if name != "original"}
    assert {name for name, count in calls.items() if count} == {"sample", "unconditional sample"}
    floors = {name for name, kind in kinds.items() if kind == "floor"}
    others = {
        attack: {c["b"] for c in metrics["comparisons"] if c["a"] == attack} for attack in ("mean", "sample", "upconv")
    }
    assert others == {"mean": {"upconv", *floors}, "sample": {"mean", "upconv", *floors}, "upconv": floors}
    assert set(metrics["missing"]) >= {"lpips", "fid", "is"}
    assert "is/efficientnet-lite1" not in metrics["methods"]["mean"]["metrics"]
    assert len(list((folder / "recon" / "mean").glob("*.png"))) == 12
    report = (folder / "report.html").read_text()
    assert "data:image/png;base64" in report and "http://" not in report.replace("http://www.w3.org", "")
    lines = (folder / "per_image.csv").read_text().splitlines()
    assert len(lines) == 1 + 12 * len(kinds)


def test_a_published_inverter_says_what_trained_it_not_what_the_folder_holds(world: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    shutil.copytree(world / "pairs", pairs)
    manifest = json.loads((pairs / "train" / "manifest.json").read_text())
    (pairs / "train" / "manifest.json").write_text(
        json.dumps(manifest | {"source": "folder:elsewhere", "threat_model": "another attacker"})
    )
    words = [f"inverter={world / 'published' / 'toy'}", f"data={pairs}", f"output={tmp_path / 'out'}", "device=cpu"]
    stale = tmp_path / "out" / "recon" / "original" / "of_an_earlier_evaluation.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    (tmp_path / "out" / "evaluate.json").write_text("{}")
    assert main(["evaluate", *words, "limit=4", "num_bootstrap=20", "judges=[]"]) == 0
    assert not stale.exists() and len(list(stale.parent.iterdir())) == 4
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert "drawn from a public prior" in metrics["threat_model"]
    assert "Trained on 16 pairs from prior." in metrics["notes"]
    assert "Floors and searches see 16 training pairs from folder:elsewhere." in metrics["notes"]


@pytest.mark.parametrize(("folder", "key"), [("val", "payload"), ("train", "weights_sha256")])
def test_pairs_of_another_target_are_refused(world: Path, tmp_path: Path, folder: str, key: str, capsys) -> None:
    shutil.copytree(world / "pairs", tmp_path / "pairs")
    path = tmp_path / "pairs" / folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["target"][key] = {"payload": "int8", "weights_sha256": "1" * 64}[key]
    path.write_text(json.dumps(manifest))
    words = [f"inverter={world / 'published' / 'toy'}", f"data={tmp_path / 'pairs'}", f"output={tmp_path / 'out'}"]
    assert main(["evaluate", *words]) == 2
    assert f"with {key}" in capsys.readouterr().err.strip().splitlines()[-1]


def test_figures_of_other_weights_are_not_published(world: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    shutil.copytree(world / "inverter", run)
    path = run / "evaluation" / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights_sha256": "0" * 64}))
    assert main(["publish", str(run), "name=stale", f"output={tmp_path}"]) == 2
    assert "trained on after its evaluation" in capsys.readouterr().err
    words = ["name=blank", f"output={tmp_path}", f"preview={tmp_path}"]
    assert main(["publish", str(world / "inverter"), *words]) == 2
    assert "holds no recon/" in capsys.readouterr().err


def test_published_inverter_equals_the_run(world: Path, tiny_prior_folder: Path) -> None:
    from inverter.blackbox.build import load_run

    inverter = Inverter.from_pretrained(str(world / "published" / "toy"))
    features = torch.randn(2, *LAYER_SHAPE)
    trained = load_run(world / "inverter")[0].reconstruct(features)
    assert (inverter.mean(features) - trained).abs().max() < 5e-3  # weights are stored in half precision
    card = (world / "published" / "toy" / "README.md").read_text()
    assert load_prior(tiny_prior_folder).weights_sha256 in card and "Threat model" in card
    assert "| began with | random weights |" in card
    for text in ("| guessing |", "| a minus b | PSNR, dB ↑ |", "| sample - mean image |", "Not computed: LPIPS"):
        assert text in card, text
    assert (world / "published" / "toy" / "preview.png").is_file()


def test_the_few_step_variant_of_a_run_is_measured_and_published(world: Path, tmp_path: Path, capsys) -> None:
    run = Path(shutil.copytree(world / "inverter", tmp_path / "run"))
    short = ["optim.max_steps=2", "optim.max_time=null", "trainer.progress=false", "trainer.device=cpu"]
    pairs = [f"data.path={world / 'pairs'}", "data.batch_size=4", "data.num_workers=0"]
    assert main(["distill", "configs/distill.yaml", f"inverter={run}", *pairs, *short, "rank=2"]) == 0
    assert main(["publish", str(run), "name=early", f"output={tmp_path}"]) == 2
    assert "has a few-step variant without figures" in capsys.readouterr().err
    assert main(["evaluate", "configs/eval.yaml", f"inverter={run}+few-step", "device=cpu", "limit=4"]) == 0
    assert main(["publish", str(run), "name=fast", f"output={tmp_path}"]) == 0
    folder = tmp_path / "fast"
    measured = json.loads((folder / "few_step" / "metrics.json").read_text())
    assert measured["methods"]["sample"]["cost"]["denoiser_calls"] == 1  # a quarter of four steps
    assert "## In few steps" in (folder / "README.md").read_text()
    inverter = Inverter.from_pretrained(f"{folder}+few-step")
    assert inverter.spec.num_inference_steps == 4
    assert inverter.sample(torch.randn(1, *LAYER_SHAPE)).shape == (1, 3, 32, 32)


def test_picture_and_its_features_give_the_same_reconstruction(world: Path, photo: Path, tmp_path: Path) -> None:
    name = f"inverter={world / 'published' / 'toy'}"
    for point in ("mean", "sample"):
        for input_name in ("photo.png", "photo.npy"):
            output = f"output={tmp_path / point / input_name}"
            words = [name, f"input={photo / input_name}", f"operating_point={point}", output]
            assert main(["invert", "configs/invert.yaml", *words, "device=cpu"]) == 0
    mean, same, sample, likewise = (
        next((tmp_path / point / name / "recon").iterdir()).read_bytes()
        for point in ("mean", "sample")
        for name in ("photo.png", "photo.npy")
    )
    assert mean == same != sample == likewise


def test_invert_says_what_it_inverted_and_shows_it(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "inverter" / "evaluation" / "recon" / "original", tmp_path / "photos")
    words = ["invert", "configs/invert.yaml", f"output={tmp_path / 'out'}", "device=cpu", "limit=3"]
    names = []
    for inverter in (world / "inverter", world / "published" / "toy"):  # a run, and what was published of it
        assert main([*words, f"inverter={inverter}", f"input={tmp_path / 'photos'}"]) == 0
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert summary["inverter"] == str(inverter)
        assert (summary["target"], summary["layers"]) == ("timm:tf_efficientnet_lite0", ["blocks.1"])
        assert (summary["input_size"], summary["payload"], len(summary["keys"])) == (64, "identity", 3)
        assert Image.open(tmp_path / "out" / "preview.png").size == (3 * 34 + 2, 2 * 34 + 2)
        names.append(sorted(path.stem for path in (tmp_path / "out" / "recon").iterdir()))
    one = next((tmp_path / "photos").iterdir())
    assert main([*words, f"inverter={world / 'inverter'}", f"input={one}", "target.layer=blocks.1"]) == 0
    assert [path.stem for path in (tmp_path / "out" / "recon").iterdir()] == [one.stem]
    assert names == [summary["keys"]] * 2


@pytest.mark.parametrize("key", ["name=torchvision:resnet18", "layer=blocks.2", "input_size=224", "payload=int8"])
def test_a_target_that_contradicts_the_inverter_is_refused(world: Path, tmp_path: Path, key: str, capsys) -> None:
    words = [f"inverter={world / 'published' / 'toy'}", "input=x.npy", f"output={tmp_path}", f"target.{key}"]
    assert main(["invert", "configs/invert.yaml", *words]) == 2
    name, _, value = key.partition("=")
    last = capsys.readouterr().err.strip().splitlines()[-1].replace("'", "")
    assert last.startswith(f"error: target.{name} is {value}, but inverter ") and f"with target.{name}=" in last


def test_bench_saves_numbers_and_a_picture(world: Path, tiny_prior_folder: Path, tmp_path: Path) -> None:
    sizes = ["pairs=8", "batch_size=4", "rounds=1", "steps=2", "layers=[blocks.0]", "parts=[training,inference]"]
    words = [*TARGET, f"prior={tiny_prior_folder}", f"inverter={world / 'published' / 'toy'}", "device=cpu"]
    assert main(["bench", "configs/bench.yaml", *words, *sizes, f"output={tmp_path}"]) == 0
    bench = json.loads((tmp_path / "bench.json").read_text())
    rows = {row["name"]: row for row in bench["measurements"]}
    assert set(rows) >= {
        "training step",
        "Lightning's loop",
        "loader",
        "prepare",
        "forward to blocks.0",
        "mean",
        "sample",
    }
    assert all(0 < row["low"] <= row["value"] <= row["high"] for row in rows.values())
    assert rows["forward to blocks.0"]["value"] < 1
    assert bench["machine"]["processor"] in (tmp_path / "bench.svg").read_text()


def test_prepare_again_keeps_finished_shards(world: Path, tiny_prior_folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (world / "pairs" / "train").iterdir()}
    words = [*TARGET, f"prior={tiny_prior_folder}", f"output={world / 'pairs'}", "shard_size=8", "pairs=16"]
    assert main(["prepare", "configs/prepare.yaml", *words]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in (world / "pairs" / "train").iterdir()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["invert", "input=photo.png", "inverter=no-such"], "no-such"),
        (["invert", "input=photo.png", "operating_point=median"], "allowed: mean, sample"),
        (["publish", "no-run", "name=x"], "no-run"),
        (["evaluate", "inverter=no-run"], "no-run"),
        (["prepare", "output=out", "source=prior", "prior=nowhere", "pairs=2"], "nowhere"),
        (["prepare", "output=out", "source=photos", "target.layer=blocks.99"], "blocks.99"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tiny_prior_folder: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    if words[0] == "prepare" and not any(word.startswith("prior=") for word in words):
        words = [*words, f"prior={tiny_prior_folder}"]
    assert main(words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("error: ") and message in lines[-1]
