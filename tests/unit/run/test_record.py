import json
import subprocess
from pathlib import Path

import pytest

from inverter.config import PrepareConfig, load_config
from inverter.run import record as run_record
from inverter.run.record import commit, commits, environment, processor, record_run


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A git checkout that the package seems to run from."""
    (tmp_path / "inverter" / "run").mkdir(parents=True)
    (tmp_path / "inverter" / "run" / "record.py").write_text("")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("")
    monkeypatch.setattr(run_record, "__file__", str(tmp_path / "inverter" / "run" / "record.py"))
    return tmp_path


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    return subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_a_record_rebuilds_the_run(tmp_path):
    config = PrepareConfig(output="x", seed=7, pairs=3)
    record_run(config, tmp_path / "new" / "folder", "prepare")
    folder = tmp_path / "new" / "folder"
    assert load_config(PrepareConfig, [folder / "prepare.yaml"]) == config
    record = json.loads((folder / "prepare.json").read_text())
    assert (record["stage"], record["seed"]) == ("prepare", 7)
    assert record["environment"]["packages"]["torch"].startswith("2.")
    assert sorted(path.name for path in folder.iterdir()) == ["prepare.json", "prepare.yaml"]


def test_commit_of_the_checkout(checkout):
    assert commit() is None  # no repository
    git(checkout, "init", "-q")
    assert commit() is None  # no commit
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "first")
    head = git(checkout, "rev-parse", "HEAD").strip()
    assert commit() == head
    (checkout / "untracked").write_text("")
    (checkout / "docs" / "page.md").write_text("written by an experiment")
    assert commit() == head
    (checkout / "inverter" / "run" / "record.py").write_text("changed")
    assert commit() == f"{head}+dirty"


def test_an_installed_package_has_no_commit(checkout, monkeypatch):
    """A virtual environment inside somebody's repository must not report that repository's commit."""
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "first")
    installed = checkout / "site-packages" / "inverter" / "run"
    installed.mkdir(parents=True)
    monkeypatch.setattr(run_record, "__file__", str(installed / "record.py"))
    assert commit() is None


def test_no_git_at_all(checkout, monkeypatch):
    (checkout / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert commit() is None


def test_environment_is_plain_data():
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert found["threads"] >= 1
    assert found["processor"] == processor() != ""


def test_a_run_that_goes_on_keeps_where_it_began(tmp_path, monkeypatch):
    def record(made_by: str, **more: bool) -> dict:
        monkeypatch.setattr(run_record, "commit", lambda: made_by)
        record_run(PrepareConfig(output="x", seed=7), tmp_path, "train", **more)
        return json.loads((tmp_path / "train.json").read_text())

    assert "resumed" not in record("a") | record("a", resumed=True)
    assert [part["commit"] for part in record("b", resumed=True)["resumed"]] == ["b"]
    record("b", resumed=True)
    found = record("c", resumed=True)
    assert (found["commit"], [part["commit"] for part in found["resumed"]]) == ("a", ["b", "c"])
    assert commits(found) == "a, b, c"
    assert "resumed" not in record("d")


def test_commits_that_nobody_knows_are_left_out():
    assert commits({"commit": None, "resumed": [{"commit": "a"}, {"commit": "a"}]}) == "a"
    assert commits({}) is None
