import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from huggingface_hub import HfApi, ModelCard

from inverter import Inverter
from inverter.__main__ import main
from inverter.run.hub import checkpoints_root

CARD = checkpoints_root() / "blocks.4" / "README.md"


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """A folder a repository, which ``create_commit`` fills and ``snapshot_download`` gives."""
    root = tmp_path / "hub"

    def create(api, repo_id, *, private, exist_ok):
        assert (api.token, exist_ok) == ("hf_mine", True)
        (root / repo_id).mkdir(parents=True, exist_ok=True)
        (root / repo_id / ".private").write_text(str(private))

    def commit(api, repo_id, operations, *, commit_message, revision):
        for each in operations:
            path = root / repo_id / each.path_in_repo
            path.parent.mkdir(parents=True, exist_ok=True)
            with each.as_file() as file:
                path.write_bytes(file.read())
        return SimpleNamespace(commit_url=f"https://hub/{repo_id}/{revision}/{commit_message}")

    monkeypatch.setattr(HfApi, "create_repo", create)
    monkeypatch.setattr(HfApi, "create_commit", commit)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_mine")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: str(root / name))
    return root


@pytest.fixture
def published(tiny_published, tmp_path) -> Path:
    folder = Path(shutil.copytree(tiny_published, tmp_path / "toy"))
    shutil.copy(CARD, folder)
    (folder / "notes.bin").write_bytes(b"not shared")
    for hidden in (".cache/token.json", "logs/.token.json"):
        (folder / hidden).parent.mkdir()
        (folder / hidden).write_text("{}")
    return folder


def test_what_is_pushed_is_loaded_back(hub, published, tiny_prior):
    inverter = Inverter.from_pretrained(str(published), prior=tiny_prior)
    url = inverter.push_to_hub("me/toy", prior="me/tiny@v1", private=True, commit_message="first")
    assert url == "https://hub/me/toy/None/first"
    there = {path.name for path in (hub / "me" / "toy").iterdir()}
    assert there == {".private", "README.md", "config.yaml", "model.safetensors"}
    assert (hub / "me" / "toy" / ".private").read_text() == "True"
    again = Inverter.from_pretrained("me/toy@abc", prior=tiny_prior)
    features = torch.randn(2, *again.spec.feature_shape)
    assert torch.equal(again.mean(features), inverter.mean(features))
    said, before = (yaml.safe_load((folder / "config.yaml").read_text()) for folder in (hub / "me" / "toy", published))
    assert said == before | {"prior": "me/tiny@v1"}


def test_the_card_is_one_that_the_hub_renders(hub, published, tiny_prior):
    Inverter.from_pretrained(str(published), prior=tiny_prior).push_to_hub("me/toy", prior="me/tiny")
    card = ModelCard.load(hub / "me" / "toy" / "README.md")
    data = card.data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "inverter", "image-to-image")
    assert (data.model_name, data.base_model, data.metrics) == ("me/toy", "me/tiny", ["psnr", "ssim"])
    assert len(data.eval_results) == len(ModelCard.load(CARD).data.eval_results) >= 4
    assert card.text.startswith("# me/toy\n")
    assert 'inverter = Inverter.from_pretrained("me/toy", prior="me/tiny")\n' in card.text
    assert 'blocks.4")' not in card.text


def test_what_is_not_published_is_not_pushed(hub, published, tiny_prior):
    inverter = Inverter.from_pretrained(str(published), prior=tiny_prior)
    with torch.no_grad():
        next(inverter.parameters()).add_(1)
    with pytest.raises(ValueError, match=r"weight .* is not what .*toy holds; publish the changed inverter first"):
        inverter.push_to_hub("me/toy")
    with pytest.raises(ValueError, match="was not loaded from a published one"):
        Inverter(inverter.spec, tiny_prior).push_to_hub("me/toy")
    assert not hub.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["repo=toy"], r"repo is 'toy'; allowed: OWNER/NAME of the hub"),
        (["repo=me/toy", "prior=tiny"], r"prior is 'tiny'; allowed: OWNER/NAME or OWNER/NAME@REVISION"),
        (["repo=me/toy", "prior=me/tiny+control"], r"prior is 'me/tiny\+control'; allowed: OWNER/NAME or"),
    ],
)
def test_names_that_are_none(hub, published, capsys, words, message):
    assert main(["push", str(published), *words]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not hub.exists()


def test_the_command_pushes_inverters_and_priors(hub, published, tiny_prior_folder, capsys):
    assert main(["push", str(published), "repo=me/toy", "revision=main"]) == 0
    assert capsys.readouterr().out == "https://hub/me/toy/main/Upload toy\n"
    assert main(["push", str(tiny_prior_folder), "repo=me/tiny"]) == 0
    assert (hub / "me" / "tiny" / "model_index.json").is_file()
    assert list((hub / "me" / "tiny").glob("unet/*.safetensors"))
    assert main(["push", "nowhere", "repo=me/toy"]) == 2
    assert "name is 'nowhere'; allowed: a name in " in capsys.readouterr().err


def test_no_token_and_no_network_are_a_sentence_each(hub, published, monkeypatch, capsys):
    def unreachable(*_, **__):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(HfApi, "create_repo", unreachable)
    assert main(["push", str(published), "repo=me/toy"]) == 2
    reached = "repo=me/toy: the hub cannot be reached (ConnectionError: Name or service not known)"
    assert capsys.readouterr().err.endswith(f"error: {reached}\n")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert main(["push", str(published), "repo=me/toy"]) == 2
    token = 'repo=me/toy: there is no token of the hub; run "hf auth login", or set HF_TOKEN'
    assert capsys.readouterr().err.endswith(f"error: {token}\n")
