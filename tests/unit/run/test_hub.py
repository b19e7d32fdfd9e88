from types import SimpleNamespace

import pytest
from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.utils import filter_repo_objects

from inverter.blackbox.published import names_of
from inverter.run import hub as location
from inverter.run.hub import find_prior, find_published, own_hub_id


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    for name in ("embedded", "other"):
        (folder / name).mkdir(parents=True)
        (folder / name / "model_index.json").write_text("{}")
    (folder / "an-inverter").mkdir()
    monkeypatch.setattr(location, "checkpoints_root", lambda: folder)
    return folder


def test_a_name_comes_before_a_folder_of_that_name(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("embedded", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model_index.json").write_text("{}")
    assert find_prior("embedded") == root / "embedded"
    assert find_prior("mine").resolve() == tmp_path / "mine"


@pytest.mark.parametrize("name", ["embeded", "an-inverter", "some/where/deep", "", "no such prior"])
def test_an_unknown_name_lists_the_known_ones(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("no hub id"))
    with pytest.raises(ValueError, match=r"prior '.*' not found: neither among \['embedded', 'other'\]"):
        find_prior(name)


def test_an_existing_folder_is_no_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("no hub id"))
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"nor a folder with model_index.json"):
        find_prior("a/b")


def test_a_hub_that_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match=r"prior 'nobody/nothing' not found.* and the hub did not give it"):
        find_prior("nobody/nothing")


@pytest.mark.parametrize("error", [OfflineModeIsEnabled("offline"), ConnectionError("refused"), TimeoutError()])
def test_errors_of_the_hub_become_one_message(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(ValueError, match=rf"the hub did not give it \({type(error).__name__}\)"):
        find_prior("nobody/nothing")
    assert issubclass(RepositoryNotFoundError, OSError)


def test_the_hub_is_asked_for_safe_files_only(tmp_path, monkeypatch):
    asked: dict = {}

    def download(name, allow_patterns, ignore_patterns, **_):
        asked.update(name=name, patterns=allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(ValueError, match=r"inverter 'nobody/thing' from the hub has no model.safetensors"):
        find_published("nobody/thing", "model.safetensors", "inverter")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert find_published("nobody/thing", "model.safetensors", "inverter") == tmp_path
    assert asked["name"] == "nobody/thing"
    assert not any(pattern.endswith(("bin", "pt", "ckpt", "pkl", "py", "*")) for pattern in asked["patterns"])


def test_of_a_prior_the_parts_alone_are_fetched(tmp_path, monkeypatch):
    files = [
        "model_index.json",
        "unet/model.safetensors",
        "unet/model.fp16.safetensors",
        "unet/model.non_ema.safetensors",
    ]
    files += ["everything.safetensors", "safety_checker/model.safetensors", "vae/model.bin", "tokenizer/merges.txt"]

    def download(name, revision, local_files_only, **patterns):
        for file in filter_repo_objects(files, **patterns):
            path = tmp_path / "hub" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return str(tmp_path / "hub")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    folder = find_prior("nobody/prior")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "model_index.json",
        "unet/model.safetensors",
        "tokenizer/merges.txt",
    }


@pytest.fixture
def hub_yaml(tmp_path, monkeypatch):
    """A working folder whose hub.yaml names an owner, and the ids and revisions that the hub was asked for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hub.yaml").write_text("owner: someone\nrevision: v1\n")
    asked: list = []

    def download(name, revision, local_files_only, **_):
        asked.append((name, revision, local_files_only))
        if name != "someone/far":
            raise RepositoryNotFoundError("404", response=SimpleNamespace(headers={}, request=None, status_code=404))
        folder = tmp_path / "cache"
        folder.mkdir(exist_ok=True)
        (folder / "model.safetensors").touch()
        (folder / "model_index.json").touch()
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return asked


def test_published_names_are_the_owners_of_hub_yaml(hub_yaml, root):
    assert find_prior("far").name == "cache"
    assert find_prior("far", fetch=False).name == "cache"  # a file may name it: the owner is the user's choice
    assert find_prior("embedded") == root / "embedded"  # what is here comes first
    assert hub_yaml == [("someone/far", "v1", False)] * 2
    assert names_of("far", 64) == ["far"]
    with pytest.raises(
        ValueError, match=r"the hub did not give it \(RepositoryNotFoundError\): it has no someone/near"
    ):
        find_prior("near")


def test_outside_of_a_checkout_a_name_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(location, "checkpoints_root", lambda: tmp_path / "none")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("no owner"))
    with pytest.raises(ValueError, match=r"hub.yaml names no owner; allowed: a folder, OWNER/NAME of the hub"):
        find_prior("embedded")


def test_the_projects_own_hub_yaml_names_no_owner():
    assert own_hub_id("blocks.2") is None
