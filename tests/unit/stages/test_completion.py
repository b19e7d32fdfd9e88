import os
import shutil
import subprocess

import pytest

from inverter.__main__ import STAGES, find_schema, main
from inverter.config.described import key_words
from inverter.stages.completion import script

COMPLETE = """
source "$1"
for line in "${@:2}"; do
  COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
  _inverter
  echo "${COMPREPLY[*]}"
done
"""

ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; autoload -U compinit; compinit -u -D; source inverter.zsh; echo rea''dy'
zpty -r shell said '*ready*ready*'
ask() {{
  zpty -w -n shell "$1"$'\\t'
  zpty -r -m shell said "*$2*" && echo found
  zpty -w -n shell $'\\x15'
}}
{typed}
zpty -d shell
"""


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    """Function from lines to what bash offers behind each."""
    folder = tmp_path_factory.mktemp("shell")
    (folder / "inverter.bash").write_text(script("bash"))
    (folder / "mine.yaml").touch()

    def complete(*lines: str) -> list[list[str]]:
        command = ["bash", "-c", COMPLETE, "bash", "inverter.bash", *lines]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return [line.split() for line in done.stdout.splitlines()]

    return complete


def test_bash_offers_stages_kinds_keys_values_and_files(bash):
    first = list(dict.fromkeys(stage.partition(" ")[0] for stage in STAGES))
    assert bash("inverter ") == [[*first, "--debug", "--help", "--version"]]
    found = bash(
        *("inverter tra", "inverter train_prior d", "inverter train optim.max_t", "inverter train model.kind=up"),
        *("inverter --debug invert operating_point=", "inverter prepare split=d", "inverter train a.yaml trainer.prog"),
        *(
            "inverter train trainer.progress=",
            "inverter train mi",
            "inverter train prior_d",
            "inverter train_prior denoiser widt",
        ),
        *("inverter invert input=mi", "inverter nonsense "),
    )
    assert found[:4] == [
        ["train", "tradeoff", "train_prior", "train_judge"],
        ["denoiser", "distill"],
        ["optim.max_time="],
        ["upconv"],
    ]
    assert found[4:7] == [["mean", "sample"], ["dev"], ["trainer.progress="]]
    assert found[7:10] == [["true", "false"], ["mine.yaml"], ["prior_denoiser.yaml", "prior_distill.yaml"]]
    assert found[10:] == [["widths="], ["mine.yaml"], []]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("inverter train_prior d", {"denoiser", "distill"}),
        ("inverter train model.kind=up", {"model.kind=upconv"}),
        ("inverter prepare split=d", {"split=dev"}),
        ("inverter experiment sm", {"smoothing"}),
        ("inverter train prior_d", {"prior_denoiser.yaml", "prior_distill.yaml"}),
    ],
)
def test_fish_offers_the_same(line, offered, tmp_path):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    (tmp_path / "inverter.fish").write_text(script("fish"))
    command = ["fish", "-c", f"source inverter.fish; complete -C {line!r}"]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert {found.partition("\t")[0] for found in done.stdout.splitlines()} == offered


def test_zsh_offers_the_same(tmp_path):
    """In a shell behind a pseudo-terminal, where a TAB completes what is the only one."""
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    (tmp_path / "inverter.zsh").write_text(script("zsh"))
    lines = {"inverter train_prior den": "denoiser", "inverter train model.kind=up": "upconv"}
    typed = "\n".join(f"ask {line!r} {word}" for line, word in lines.items())
    (tmp_path / "try.zsh").write_text(ZSH.format(typed=typed))
    done = subprocess.run(["zsh", "-f", "try.zsh"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["found"] * len(lines), done.stdout + done.stderr


def test_a_tab_takes_no_time(bash):
    before = os.times()
    bash(*["inverter train model.kind="] * 20)
    after = os.times()
    assert sum(after[2:4]) - sum(before[2:4]) < 20 * 0.2  # of the processor, in bash


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_key_of_every_stage_is_in_the_script(shell):
    text = script(shell).split()
    for stage in STAGES:
        for key, values in key_words(find_schema(stage)()):
            assert any(key in word for word in text) and all(any(value in word for word in text) for value in values)


def test_keys_of_all_kinds_and_values_of_comments():
    known = dict(key_words(find_schema("train")()))
    assert set(known["model.kind"]) >= {"inverter", "upconv", "fia_flow", "surrogate"}
    assert known["resume"] == ("true", "false") and "model.tune" in known and known["seed"] == ()
    assert dict(key_words(find_schema("prepare")()))["split"] == ("train", "dev", "val")


def test_another_shell_is_refused(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert capsys.readouterr().err == "error: shell is 'tcsh'; allowed: bash, zsh, fish\n"
