"""What is to be uploaded to the hub, or fetched from it by a name of the project, and cannot be."""

import pytest
from huggingface_hub import HfApi

from inverter.run import hub
from inverter.run.push import push_folder
from inverter.stages.completion import script


def test_push(tmp_path, refused, refused_by_command, monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(HfApi, "create_repo", unreachable)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    refused("a repository without an owner", lambda: push_folder(tmp_path, "toy"))
    refused("an upload without a token", lambda: push_folder(tmp_path, "me/toy"))
    refused("an upload without a network", lambda: push_folder(tmp_path, "me/toy", token="hf_mine"))
    refused_by_command("a name to push that is not published", ["push", str(tmp_path), "repo=me/toy"])


def test_outside_of_a_checkout(tmp_path, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "checkpoints_root", lambda: tmp_path / "checkpoints")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("nobody to ask"))
    refused("a published name outside of a checkout", lambda: hub.find_prior("embedded"))

    def unreachable(*_, **__):
        raise ConnectionError

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    (tmp_path / "hub.yaml").write_text("owner: someone\n")
    refused("a name of the hub without a network", lambda: hub.find_prior("embedded"))


def test_shells(refused):
    refused("a shell that is not known", lambda: script("tcsh"))
