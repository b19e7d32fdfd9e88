"""Pictures that an attack has seen in training."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from inverter.config import InverterDistillConfig
from inverter.data.manifest import Manifest
from inverter.data.origins import Origins
from inverter.evaluation.pairs import EvaluationPairs
from inverter.evaluation.seen import Seen
from inverter.run.record import save_config

A, B = "a" * 16, "b" * 16


def give(folder: Path, manifest: Manifest, picture: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    origins = Origins({picture: "shared"})
    replace(manifest, origins_sha256=origins.sha256()).save(folder)
    origins.save(folder)
    return folder


@pytest.fixture
def make_run(train_config, tiny_shards, tmp_path) -> Callable[..., Path]:
    """Function to the folder of a run, as far as it says what it was trained on."""

    def make(name: str, picture: str = B, *, start_from: str | None = None, tune: str = "none", also: str = "") -> Path:
        folder, manifest = tmp_path / name, Manifest.load(tiny_shards / "train")
        config = train_config(folder)
        config.start_from, config.model.tune, config.data.also = start_from, tune, ["x"] if also else []
        give(folder, manifest, picture)
        if also:
            give(folder / "also-1", manifest, also)
        save_config(config, folder / "train.yaml")
        (folder / "train.json").write_text(json.dumps({"began_with": [{"name": "older"}, {"name": "oldest"}]}))
        return folder

    return make


@pytest.fixture
def find(tiny_shards, target_spec, tmp_path) -> Callable[[str], EvaluationPairs]:
    """Function from an attack's name to evaluation pairs that are kept apart from what it has seen."""
    val = Path(shutil.copytree(tiny_shards / "dev", tmp_path / "pairs" / "val"))
    give(val, Manifest.load(val), A)
    return lambda name: EvaluationPairs.find(val.parent, "inverter 'toy'", target_spec, Seen.of(name).folders)


def test_val_is_kept_apart_from_what_shared_a_denoiser_and_from_what_a_run_began_with(make_run, find):
    find(str(make_run("alone", also=A)))
    for run in (
        make_run("mine", A),
        make_run("tuned", tune="lora", also=A),
        make_run("first-of-two", A, tune="full", also=B) / "also-1",
        make_run("further", start_from=str(make_run("grandchild", start_from=str(make_run("grandparent", A))))),
    ):
        with pytest.raises(ValueError, match=r"1 picture\(s\) \(shared\) in common"):
            find(str(run))


def test_val_is_kept_apart_from_what_a_variant_was_distilled_on(make_run, find, tiny_shards, tmp_path):
    run, config = make_run("mine"), InverterDistillConfig(inverter="mine")
    give(tmp_path / "others" / "train", Manifest.load(tiny_shards / "train"), A)
    config.data.path = str(tmp_path / "others")
    (run / "few_step").mkdir()
    assert Seen.of(f"{run}+few-step").elsewhere[-1] == "the few-step variant"
    save_config(config, run / "few_step" / "distill.yaml")
    find(str(run))
    with pytest.raises(ValueError, match=r"1 picture\(s\) \(shared\) in common"):
        find(f"{run}+few-step")


def test_what_is_not_at_hand_is_named(make_run, find, tiny_prior_folder, target_spec):
    run = make_run("mine", start_from="somewhere/older")
    assert Seen.of(str(run)).elsewhere == (f"the prior {tiny_prior_folder.name}", "older", "oldest")
    assert Seen.of("owner/blocks.4+few-step") == Seen(elsewhere=("blocks.4",))
    both = Seen.together([Seen.of(str(run)), Seen.of("blocks.4"), Seen.of(str(run))])
    assert both == Seen((run,), (*Seen.of(str(run)).elsewhere, "blocks.4"))
    (run / "origins.json").unlink()
    assert "Not compared with the pictures of mine." in find(str(run)).notes(1, target_spec)


def test_a_run_that_began_with_itself_ends(make_run):
    run = make_run("mine", start_from="x")
    config = (run / "train.yaml").read_text().replace("start_from: x", f"start_from: {run}")
    (run / "train.yaml").write_text(config)
    assert Seen.of(str(run)).folders == (run,)
