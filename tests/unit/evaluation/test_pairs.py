import shutil
from pathlib import Path

from inverter.data.manifest import Manifest
from inverter.evaluation.pairs import EvaluationPairs
from inverter.targets.spec import TargetSpec


def notes(folder: Path, target_spec: TargetSpec, num_train: int) -> str:
    return "\n".join(EvaluationPairs.find(folder, "inverter 'toy'", target_spec).notes(num_train))


def test_notes_say_which_floors_are_weak_or_absent(tiny_shards: Path, target_spec: TargetSpec, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_shards, tmp_path / "pairs")
    (folder / "dev").rename(folder / "val")
    there = Manifest.load(folder / "train").num_pairs
    assert "may raise the floors" not in notes(folder, target_spec, there)
    assert f"see {there} training pairs" in notes(folder, target_spec, 40_000)
    assert "not 40,000: more may raise the floors." in notes(folder, target_spec, 40_000)
    shutil.rmtree(folder / "train")
    assert "'nearest training image' and 'mean image' are absent" in notes(folder, target_spec, there)
