"""Documents name files that exist, show commands that parse and code that runs, and hold no figure left open."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from documents import CODE, DOCS, PLACEHOLDER, ROOT, code, commands, make, read, stages
from torch import nn

import inverter.__main__
import inverter.priors.load
import inverter.run.memory
from inverter import load_target

FOLDERS = ("inverter", "configs", "checkpoints", "data", "docs", "notebooks", "tests", ".ci")
MADE_BY_COMMANDS = ("data/shards", "runs")
KEYS = {Path("docs/reference/keys", f"{stage.replace(' ', '_')}.md") for stage in inverter.__main__.STAGES}
"""Pages that the site is given when it is built."""
README = read(Path("README.md"))
COMMANDS = read(Path("docs/reference/commands.md"))


def repository_paths(text: str) -> set[str]:
    """Words in backticks that name a file or folder of the repository."""
    words = {
        word.split("=")[-1] for quoted in re.findall(r"`([^`\n]+)`", CODE.sub("", text)) for word in quoted.split()
    }
    inside = {word for word in words if word.split("/")[0] in FOLDERS and "/" in word}
    at_root = {word for word in words if re.fullmatch(r"[A-Z][\w-]+\.(md|cff)|Makefile|LICENSE|pyproject\.toml", word)}
    return {
        word
        for word in inside | at_root
        if not PLACEHOLDER.search(word.partition("/")[2]) and not word.startswith(MADE_BY_COMMANDS)
    }


@pytest.mark.parametrize("doc", DOCS, ids=str)
def test_paths_and_links_exist(doc):
    text = read(doc)
    missing = [path for path in repository_paths(text) if not (ROOT / path).exists()]
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    missing += [link for link in links if not (ROOT / doc.parent / link).exists() and doc.parent / link not in KEYS]
    assert missing == []


@pytest.mark.parametrize("doc", DOCS, ids=str)
def test_nothing_is_left_open(doc):
    assert re.findall(r"TODO[^)]*\)?", read(doc)) == []


def shown_commands() -> list[list[str]]:
    """Words of every command of the documents and of the job for a cluster, whoever starts the processes."""
    texts = [read(doc) for doc in DOCS]
    ours = [words for text in texts for words in commands(text, "inverter")]
    started = [words[words.index("inverter") :] for text in texts for words in commands(text, "torchrun")]
    job = (ROOT / "configs" / "cluster.sbatch").read_text(encoding="utf-8").replace("$SLURM_NNODES", "2")
    stages = [shlex.split(line)[:-1] for line in job.splitlines() if line.startswith("stage ")]  # the last word is "$@"
    return ours + started + [["inverter", *words[1:]] for words in stages]


@pytest.mark.parametrize("words", shown_commands(), ids=" ".join)
def test_commands_parse(words, monkeypatch, capsys):
    stages = []

    def import_module(name):
        assert importlib.util.find_spec(name) is not None
        return SimpleNamespace(run=stages.append)

    monkeypatch.setattr(inverter.__main__, "importlib", SimpleNamespace(import_module=import_module))
    monkeypatch.setattr(inverter.run.memory, "keep_freed_memory", lambda: None)
    status = inverter.__main__.main(words[1:])
    assert (status, capsys.readouterr().err) == (0, "")
    assert [type(config) for config in stages] == [inverter.__main__.find_schema(_stage(words))]


def test_the_job_for_a_cluster_is_a_shell_script():
    subprocess.run(["bash", "-n", ROOT / "configs" / "cluster.sbatch"], check=True)


def test_the_page_of_commands_shows_every_stage():
    shown = {_stage(["inverter", *run]) for words in commands(COMMANDS, "inverter", "make") for run in stages(words)}
    assert shown == set(inverter.__main__.STAGES)


def test_make_train_runs_exactly_one_command():
    lines = make("train", "LAYER=layer3")
    assert lines[-1] == ".venv/bin/inverter train configs/train.yaml target.layer=layer3"
    assert [line for line in lines if " train " in line] == lines[-1:]


@pytest.mark.parametrize(
    ("goal", "installed"),
    [("train", ["."]), ("test", [".", ".[dev]"]), ("lint", [".", ".[dev]"]), ("docs", [".", ".[docs]"])],
)
def test_make_installs_what_tests_need_for_these_alone(goal, installed):
    lines = make("-W", "pyproject.toml", goal)
    assert [shlex.split(line)[-1] for line in lines if "pip install" in line and " -e " in line] == installed


def test_make_maps_variables_to_keys():
    words = ["TARGET=timm:resnet18", "LAYER=layer3", "PRIOR=mine", "DEVICE=cpu", "ARGS=seed=1"]
    target = "target.name=timm:resnet18 target.layer=layer3"
    ours = [
        line.removeprefix(".venv/bin/inverter ") for line in make("train", "eval", *words) if "bin/inverter" in line
    ]
    assert ours == [
        f"prepare configs/prepare.yaml {target} prior=mine device=cpu",
        f"prepare configs/prepare.yaml configs/prepare_dev.yaml {target} prior=mine device=cpu",
        f"prepare configs/prepare.yaml configs/prepare_val.yaml {target} prior=mine device=cpu",
        f"train configs/train.yaml {target} prior=mine trainer.device=cpu seed=1",
        f"evaluate configs/eval.yaml {target} device=cpu",
    ]
    assert make("eval", "ARGS=seed=1")[-1].endswith("configs/eval.yaml seed=1")
    assert make("prepare", "DATA=d")[-1].endswith("configs/prepare_val.yaml output=d")
    assert not any("prepare" in line for line in make("train", "DATA=d"))
    assert make("train", "DATA=d")[-1].endswith("configs/train.yaml data.path=d")
    assert make("eval", "DATA=d")[-1].endswith("configs/eval.yaml data=d")


def test_make_audit_runs_exactly_one_command():
    words = ["TARGET=timm:resnet18", "LAYERS=layer1,layer3", "DEVICE=cpu", "ARGS=fail_above=layer3:0.5"]
    expected = "target.name=timm:resnet18 'layers=[layer1,layer3]' trainer.device=cpu fail_above=layer3:0.5"
    ours = [line for line in make("audit", *words) if "bin/inverter" in line]
    assert ours == [f".venv/bin/inverter audit configs/audit.yaml {expected}"]
    assert make("audit")[-1] == ".venv/bin/inverter audit configs/audit.yaml"


def test_make_defend_trains_the_defences_and_then_compares():
    words = ["TARGET=timm:a/b", "LAYER=x.1", "DEFENCES=nopeek,disco", "PAYLOADS=int8,topk:0.1+int8", "PRIOR=mine"]
    words += ["ARGS=keep=0.8", "DEFEND_ARGS=optim.max_time=60"]
    target, folder = "target.name=timm:a/b target.layer=x.1", "runs/defences-timm-a-b-x.1"
    ours = [line for line in make("defend", *words) if "bin/inverter" in line]
    assert ours == [
        *(
            f".venv/bin/inverter defend configs/defend.yaml defence.kind={kind} {target} data.prior=mine "
            f"output={folder}/{kind} optim.max_time=60"
            for kind in ("nopeek", "disco")
        ),
        f".venv/bin/inverter tradeoff configs/tradeoff.yaml {target} 'payloads=[int8,topk:0.1+int8]' "
        f"'defences=[{folder}/nopeek,{folder}/disco]' prior=mine keep=0.8",
    ]
    assert make("defend")[-1] == ".venv/bin/inverter tradeoff configs/tradeoff.yaml"


def test_make_invert_runs_exactly_one_command():
    line = make("invert", "METHOD=hybrid", "LAYER=blocks.2", "INPUT=photo.jpg", "ARGS=seed=1")[-1]
    expected = "method=hybrid target.layer=blocks.2 input=photo.jpg seed=1"
    assert line == f".venv/bin/inverter invert configs/invert.yaml {expected}"
    assert make("invert", "INPUT=a.npy")[-1] == ".venv/bin/inverter invert configs/invert.yaml input=a.npy"


def test_make_prior_runs_every_stage_of_a_prior(tmp_path):
    ours = [line for line in make("prior", "IMAGES=i", "DEVICE=cuda", "ARGS=seed=1") if "bin/inverter" in line]
    shards = "data.shards='i/train-*.tar*' data.dev='i/dev-*.tar*' data.cache=runs/pictures trainer.device=cuda seed=1"
    trained, base = ".venv/bin/inverter train_prior", "prior=runs/prior/prior"
    assert ours[:3] == [
        f"{trained} autoencoder configs/prior_autoencoder.yaml configs/prior_gpu.yaml {shards}",
        f"{trained} denoiser configs/prior_denoiser.yaml configs/prior_gpu.yaml {shards}",
        f"{trained} distill configs/prior_distill.yaml data.batch_size=512 {shards} {base} publish=true",
    ]
    for line, suffix in zip(ours[3:], ("", "+few-step"), strict=True):
        assert line.startswith(f".venv/bin/inverter evaluate_prior {base}{suffix} output=")
        assert line.endswith("val='i/val-*.tar*' train='i/train-*.tar*' cache=runs/pictures device=cuda")
    (tmp_path / "photos-000.tar.gz").touch()
    assert f"data.photos='{tmp_path}/photos-*.tar*'" in make("prior", f"IMAGES={tmp_path}")[-5]


@pytest.mark.parametrize("goal", ["invert", "prior", "publish"])
def test_make_says_which_variable_is_missing(goal):
    done = subprocess.run(["make", "--no-print-directory", "-n", goal], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"make {goal} needs" in done.stderr


@pytest.mark.parametrize("words", commands(README + COMMANDS, "make"), ids=" ".join)
def test_make_commands_are_known(words):
    assert make(*words[1:])


@pytest.mark.parametrize("body", code("python", README))
def test_python_of_the_readme_runs(body, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(body, "<README.md>", "exec"), {})
    assert [path.name for path in tmp_path.iterdir()] == re.findall(r'save_image\(\w+, "([^"]+)"\)', body)


class Visual(nn.Module):
    """What open_clip's half that sees looks like from outside: patches, a class token, blocks, a projected vector."""

    image_mean, image_std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 32, 32)
        self.transformer = nn.Module()
        blocks = [nn.TransformerEncoderLayer(16, 2, 16, batch_first=True) for _ in range(6)]
        self.transformer.resblocks = nn.ModuleList(blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([torch.zeros_like(x[:, :1]), x], 1)
        for block in self.transformer.resblocks:
            x = block(x)
        return x[:, 0]


def test_a_model_of_open_clip_is_a_target(monkeypatch):
    """The guide's factory, on a stand-in for the package."""
    asked = []

    def create_model(name, pretrained):
        asked.append((name, pretrained))
        return SimpleNamespace(visual=Visual())

    monkeypatch.setitem(sys.modules, "open_clip", SimpleNamespace(create_model=create_model))
    guide = read(Path("docs/guides/audit.md"))
    (body,) = [body for body in code("python", guide) if "open_clip" in body]
    names: dict = {}
    exec(compile(body, "audit.md", "exec"), names)
    (layer,) = re.findall(r"`(1\.transformer\.resblocks\.\d)`", guide)
    target = load_target(names["build"](), layer=layer, input_size=224)
    assert target(torch.rand(2, 3, 64, 64)).shape == (2, 50, 16) and target.spec.feature_shape == (50, 16)
    assert asked == [("ViT-B-32", "laion2b_s34b_b79k")]


@pytest.mark.parametrize("doc", [doc for doc in DOCS if doc.parts[0] == "docs"], ids=str)
def test_python_of_the_docs_runs(doc, tmp_path, monkeypatch, stable_diffusion):
    monkeypatch.chdir(tmp_path)
    find = inverter.priors.load.find_prior

    def find_or_toy(name, **options):  # an id of the hub stands for a toy of the same classes
        return stable_diffusion("epsilon") if name.startswith("stable-diffusion") else find(name, **options)

    monkeypatch.setattr(inverter.priors.load, "find_prior", find_or_toy)
    monkeypatch.setitem(sys.modules, "open_clip", SimpleNamespace())
    for body in code("python", read(doc)):
        if not body.startswith(("# inverter/", "# tests/")):  # files, which tests/smoke/test_extending.py puts in place
            exec(compile(body, str(doc), "exec"), {})


def test_tests_of_the_readme_are_those_of_ci():
    assert ["make", "test"] in commands(README, "make")
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[-3:] == ["make docs", "make lint", "make test-all"]
    assert shlex.split(make("test-all")[-1]) == [*shlex.split(make("test")[-1]), "-m", "slow or not slow"]


def test_pins_cover_the_dependencies_and_agree_with_pre_commit():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {_normal(re.split(r"[<>=!~;\[ ]", requirement)[0]) for requirement in wanted}
    assert names - {_normal(name) for name in pins} == set()
    assert f"rev: v{pins['ruff']}" in (ROOT / ".pre-commit-config.yaml").read_text()


def _stage(words: list[str]) -> str:
    return " ".join(words[1:3]) if words[1] in inverter.__main__.KINDS else words[1]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
