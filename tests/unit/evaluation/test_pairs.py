import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inverter.data.manifest import Manifest
from inverter.data.shards import ShardWriter
from inverter.evaluation.judges import Gallery
from inverter.evaluation.metrics import Missing
from inverter.evaluation.pairs import EvaluationPairs, distractor_note, draw_distractors
from inverter.targets.spec import TargetSpec

FEATURES = (6, 5, 7)


def notes(folder: Path, target_spec: TargetSpec, num_train: int) -> str:
    return "\n".join(EvaluationPairs.find(folder, "inverter 'toy'", target_spec).notes(num_train, target_spec))


def test_notes_say_which_floors_are_weak_or_absent(tiny_shards: Path, target_spec: TargetSpec, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_shards, tmp_path / "pairs")
    (folder / "dev").rename(folder / "val")
    there = Manifest.load(folder / "train").num_pairs
    assert "may raise the floors" not in notes(folder, target_spec, there)
    assert f"see {there} training pairs" in notes(folder, target_spec, 40_000)
    assert "not 40,000: more may raise the floors." in notes(folder, target_spec, 40_000)
    shutil.rmtree(folder / "train")
    assert "'nearest training image' and 'mean image' are absent" in notes(folder, target_spec, there)


def write_val(folder: Path, target_spec: TargetSpec, sources: int, count: int) -> Path:
    folder.mkdir()
    with ShardWriter(folder, 0, "float32") as writer:
        for number in range(count):
            image = torch.full((3, 8, 8), number, dtype=torch.uint8)
            writer.add(f"v{number}", image, torch.zeros(FEATURES), group=str(number % sources))
    made = {"prior": None, "autoencoder_sha256": None, "source": "photos", "threat_model": "x", "seed": 0}
    Manifest(
        split="val",
        target=target_spec,
        num_pairs=count,
        num_sources=sources,
        resolution=8,
        feature_dtype="float32",
        feature_mean=[0.0] * FEATURES[0],
        feature_std=[1.0] * FEATURES[0],
        latents=False,
        shards=[writer.record.info],
        augment="none",
        **made,
    ).save(folder)
    return folder


def test_distractors_are_evaluation_pictures_of_other_sources(tmp_path: Path, target_spec: TargetSpec) -> None:
    val = write_val(tmp_path / "val", target_spec, sources=5, count=26)
    gallery = draw_distractors(val, batch_size=4)
    assert isinstance(gallery, Gallery) and (len(gallery.images), gallery.fewest) == (26, 20)
    assert distractor_note(gallery).endswith("of other sources, 20 to 21 for each picture.")
    few = draw_distractors(write_val(tmp_path / "few", target_spec, sources=5, count=24), batch_size=4)
    assert few == Missing("reid", "19 val pictures of other sources for some picture; needed: 20")


def test_what_pairs_were_computed_in_is_said(tiny_shards: Path, target_spec: TargetSpec, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_shards, tmp_path / "pairs")
    (folder / "dev").rename(folder / "val")
    assert "bf16" not in notes(folder, target_spec, 10)
    replace(Manifest.load(folder / "val"), precision="bf16").save(folder / "val")
    assert "were computed in bf16, what measures them in float32" in notes(folder, target_spec, 10)


def test_what_an_attacker_did_not_know_is_accepted_where_it_is_named_and_said(
    tiny_shards: Path, target_spec: TargetSpec, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_shards, tmp_path / "pairs")
    (folder / "dev").rename(folder / "val")
    shutil.rmtree(folder / "train")
    drifted = replace(target_spec, weights_sha256="1" * 64, payload="int8")
    for accept, refused in (
        ([], "payload int8"),
        (["payload"], "weights_sha256 1111"),
        (["weights_sha256"], "payload"),
    ):
        with pytest.raises(ValueError, match=refused):
            EvaluationPairs.find(folder, "inverter 'toy'", drifted, accept=accept)
    found = EvaluationPairs.find(folder, "inverter 'toy'", drifted, accept=["weights_sha256", "payload"])
    said = "\n".join(found.notes(10, drifted))
    assert "weights are not those that the attacker's pairs" in said
    assert f"by another payload than in the attacker's pairs: {target_spec.payload}, not int8." in said
    assert "trained and measured on what arrives" not in said
    guessed = replace(target_spec, preprocessing={**target_spec.preprocessing, "mean": [0.4] * 3})
    assert "another mean and deviation of colours" in notes_of(folder, target_spec, guessed)
    with pytest.raises(ValueError, match=r"accept=\['layer'\]; allowed: weights_sha256, payload, defence"):
        EvaluationPairs.find(folder, "inverter 'toy'", target_spec, accept=["layer"])


def notes_of(folder: Path, target_spec: TargetSpec, attacked: TargetSpec) -> str:
    return "\n".join(EvaluationPairs.find(folder, "inverter 'toy'", target_spec).notes(10, attacked))
