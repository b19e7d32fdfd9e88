import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import inverter
from inverter import __main__
from inverter.__main__ import STAGES, find_schema, how_to_go_on, main

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ("methods", "prompts", "smoothing")
HEAVY = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "lightning",
    "timm",
    "numpy",
    "torchmetrics",
    "webdataset",
)
PROBE = f"""
import sys
from inverter.__main__ import main
try:
    status = main(sys.argv[1:])
finally:
    heavy = sorted(set({HEAVY!r}) & set(sys.modules))
    print("PROBE", status, heavy)
"""


@pytest.fixture
def stages(monkeypatch) -> list:
    """Configs that stages were run with; no stage is imported."""
    configs: list = []

    def import_module(name):
        return SimpleNamespace(run=lambda config: configs.append((name, config)))

    monkeypatch.setattr(__main__, "importlib", SimpleNamespace(import_module=import_module))
    monkeypatch.setattr("inverter.run.memory.keep_freed_memory", lambda: True)
    return configs


def python(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "words",
    [
        *(["--help"], ["--version"], [], ["nonsense"], ["list"]),
        *(
            ["completion", "bash"],
            ["train", "--help"],
            ["train", "nonsense=1"],
            ["train", "model.kind=upconv", "model.strength=1"],
        ),
        *(["invert", "--help"], ["audit", "--help"], ["experiment", "methods", "--help"]),
    ],
)
def test_help_errors_and_the_list_load_nothing_heavy(words):
    done = python("-c", PROBE, *words)
    _, status, *heavy = next(line for line in done.stdout.splitlines() if line.startswith("PROBE")).split()
    assert int(status) == (2 if words[-1:] in (["nonsense"], ["nonsense=1"], ["model.strength=1"]) else 0)
    assert heavy == ["[]"]


def test_a_bad_key_is_one_line_without_a_traceback():
    done = python("-m", "inverter", "train", "configs/train.yaml", "optim.lrr=1")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: argument 'optim.lrr=1': unknown key 'optim.lrr'; did you mean optim.lr")


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -u -m inverter train --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "1")  # 0 when it was quicker than the reader


def test_help_names_every_stage(capsys):
    for words in (["--help"], ["-h"], ["help"], [], ["train_prior", "--help"]):
        assert main(words) == 0
        text = capsys.readouterr().out
        assert all(f"\n  {stage} " in text for stage in STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_help_of_a_stage_shows_its_keys(stage, capsys, stages):
    assert main([*stage.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"usage: inverter {stage}" in shown
    assert "seed: 0" in shown or stage in (
        "layers",
        "publish",
        "push",
        "list",
        "doctor",
        "completion",
        "demo",
        "experiment summary",
    )
    assert stages == []


def test_help_shows_the_keys_of_a_kind(capsys):
    assert main(["train", "model.kind=surrogate", "--help"]) == 0
    assert "\nmodel:\n  kind: surrogate\n  width: 128\n  depth: 4\noptim:\n" in capsys.readouterr().out
    assert main(["train", "--help", "model.kind=gan"]) == 2
    assert capsys.readouterr().err.startswith(
        "error: argument 'model.kind=gan': model.kind is 'gan'; allowed: fia_flow, "
    )


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"inverter {inverter.__version__}\n"


def test_a_stage_of_several_kinds_lists_them(capsys):
    assert main(["train_prior"]) == 2
    kinds = "train_prior autoencoder, train_prior denoiser, train_prior distill"
    assert capsys.readouterr().err == f"error: train_prior needs a kind; allowed: {kinds}\n"
    assert main(["train_prior", "vae"]) == 2
    assert capsys.readouterr().err == f"error: unknown stage 'train_prior vae'; allowed: {kinds}\n"
    assert main(["experiment"]) == 2
    assert capsys.readouterr().err.startswith("error: experiment needs a kind; allowed: experiment methods, ")


@pytest.mark.parametrize("words", [["trian"], ["--verzion"]])
def test_an_unknown_stage(words, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    meant = "did you mean train? " if words == ["trian"] else ""
    assert error.startswith(f"error: unknown stage '{' '.join(words)}'; {meant}allowed: layers, prepare, train")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "nowhere.yaml"], "config file 'nowhere.yaml' does not exist"),
        (["layers", "nowhere.yml"], "config file 'nowhere.yml' does not exist"),
        (["train"], "required key(s) without a value: data.path, output"),
        (["train", "output"], "argument 'output' is neither a YAML file nor key=value"),
        (["prepare", "output=x", "pairs=many"], "pairs"),
        (["prepare", "output=${nowhere}"], "nowhere"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(words, message, capsys, stages):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert stages == []


def test_words_reach_the_stage(stages):
    assert main(["prepare", "prepare.yaml", "prepare_dev.yaml", "pairs=3"]) == 0
    ((module, config),) = stages
    assert module == "inverter.stages.prepare"
    assert (config.split, config.pairs, config.target.layer) == ("dev", 3, "blocks.2")
    assert main(["train_prior", "autoencoder", "data.shards=a", "data.dev=b", "output=c"]) == 0
    assert stages[1][0] == "inverter.stages.train_autoencoder"


def test_a_bare_first_word_stands_for_the_stages_main_key(stages):
    assert main(["layers", "timm:resnet18", "depth=2"]) == 0
    assert (stages[0][1].target.name, stages[0][1].depth) == ("timm:resnet18", 2)
    assert main(["publish", "runs/a", "name=x"]) == 0
    assert stages[1][1].run == "runs/a"
    assert main(["publish", "runs/lr=0.001", "name=x"]) == 0  # folders of sweeps have = in their names
    assert stages[2][1].run == "runs/lr=0.001"
    assert main(["layers", "module:nets=2:build"]) == 0
    assert stages[3][1].target.name == "module:nets=2:build"


def test_a_config_file_may_have_an_equals_sign_in_its_folder(tmp_path, monkeypatch, capsys, stages):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "runs/lr=0.001/train.yaml", "output=again"]) == 2
    assert "config file 'runs/lr=0.001/train.yaml' does not exist" in capsys.readouterr().err
    (tmp_path / "lr=0.001.yaml").write_text("data: {path: a}\noutput: b\n")
    assert main(["train", "lr=0.001.yaml", "output=c"]) == 0
    assert stages[0][1].output == "c"


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError("a pass")])
def test_want_of_memory_says_what_to_lower(monkeypatch, capsys, error):
    def run(config):
        raise error

    monkeypatch.setattr(__main__, "importlib", SimpleNamespace(import_module=lambda name: SimpleNamespace(run=run)))
    monkeypatch.setattr("inverter.run.memory.keep_freed_memory", lambda: True)
    assert main(["list"]) == 2
    line = f"error: out of memory; lower batch_size, or free memory: {error}"
    assert capsys.readouterr().err.startswith(line)
    assert main(["--debug", "list"]) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("Traceback (most recent call last):", line)


def test_an_error_in_the_stage_is_told_apart_from_a_crash(monkeypatch, capsys):
    def run_with(error: BaseException):
        def run(config):
            raise error

        monkeypatch.setattr(__main__, "importlib", SimpleNamespace(import_module=lambda name: SimpleNamespace(run=run)))
        return main(["list"])

    monkeypatch.setattr("inverter.run.memory.keep_freed_memory", lambda: True)
    assert run_with(ValueError("path is 'x'")) == 2
    assert capsys.readouterr().err == "error: path is 'x'\n"
    with pytest.raises(RuntimeError, match="a bug"):
        run_with(RuntimeError("a bug"))
    assert run_with(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted; the same command begins anew\n"


GOES_ON = {"prepare", "audit", "tradeoff", "defend", "distill", "invert", "ladder", "evaluate_prior"}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("status", [130, 143])
@pytest.mark.parametrize("waits", [True, False])
def test_a_stage_that_is_stopped_says_how_to_go_on(stage, status, waits, monkeypatch, capsys):
    """Whether it ends where its step does, with that status, or a signal reaches it where nothing waits for one."""

    def run(config):
        if not waits:
            os.kill(os.getpid(), status - 128)
            time.sleep(5)
            raise AssertionError("the signal was lost")
        raise SystemExit(status)

    config = find_schema(stage)()
    config.output = "runs/mine"
    if stage == "invert":
        config.method = "latent"
    monkeypatch.setattr(__main__, "importlib", SimpleNamespace(import_module=lambda name: SimpleNamespace(run=run)))
    monkeypatch.setattr("inverter.run.memory.keep_freed_memory", lambda: True)
    monkeypatch.setattr("inverter.config.load_words", lambda schema, words: config)
    try:
        assert main(stage.split()) == 130
    except SystemExit as ended:
        assert ended.code == status
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    word = "terminated" if status == 143 else "interrupted"
    goes_on = stage in GOES_ON or stage.startswith("train") or stage in [f"experiment {name}" for name in EXPERIMENTS]
    (line,) = capsys.readouterr().err.splitlines()
    if goes_on:
        assert line.startswith(f"{word}; ") and line.endswith(": the same command goes on") and "OUTPUT" not in line
    else:
        assert line == f"{word}; the same command begins anew"


def test_what_does_not_resume_says_so():
    config = find_schema("train")()
    config.resume = False
    assert how_to_go_on("train", config, "interrupted").endswith("the same command with resume=true goes on")
    config = find_schema("invert")()  # with a published inverter
    assert how_to_go_on("invert", config, "interrupted") == "interrupted; the same command begins anew"


@pytest.mark.parametrize("words", [["--debug", "list"], ["list", "--debug"], ["--debug", "list", "nonsense=1"]])
def test_debug_shows_where_an_error_was_raised(words, monkeypatch, capsys):
    def run(config):
        raise ValueError("path is 'x'")

    monkeypatch.setattr(__main__, "importlib", SimpleNamespace(import_module=lambda name: SimpleNamespace(run=run)))
    monkeypatch.setattr("inverter.run.memory.keep_freed_memory", lambda: True)
    assert main(words) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("Traceback")
    assert last.startswith("error: argument 'nonsense=1'" if len(words) == 3 else "error: path is 'x'")


def test_public_names_are_imported_when_asked_for():
    assert set(dir(inverter)) == set(inverter.__all__)
    for name in inverter.__all__:
        assert getattr(inverter, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Invertor'; public names: Attack, Inverter"):
        inverter.Invertor  # noqa: B018
