"""Trained defences that are damaged, edited or of another target, and trainings that cannot be."""

import json
import math
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from defences_toys import defend_config, dev_pictures, pictures, toy_network
from safetensors.torch import load_file, save_file

from inverter.audit.plan import Step, check_pictures
from inverter.blackbox.build import check_target
from inverter.blackbox.config import TrainConfig
from inverter.config import DataConfig, EvaluateConfig, PrepareConfig, SenderConfig, TargetConfig
from inverter.data.manifest import Manifest
from inverter.data.unfinished import check_defence
from inverter.evaluation.pairs import EvaluationPairs
from inverter.inversion.chosen import check_given
from inverter.stages import defend, prepare
from inverter.targets import load_target
from inverter.targets.defence import read_defence
from inverter.targets.layers import LayerInfo
from inverter.targets.load import load_same_target
from inverter.targets.spec import DefenceMark, TargetSpec

__all__ = ["defend_config", "dev_pictures", "pictures", "toy_network"]


@pytest.fixture(scope="module")
def trained(defend_config, tmp_path_factory) -> Path:
    return defend.run(defend_config(tmp_path_factory.mktemp("defence") / "run", "bottleneck"))


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "defence", ignore=shutil.ignore_patterns("checkpoints", "logs")))


def load(folder: Path, layer: str = "2", **options: object) -> object:
    name = "module:toy_defended:build"
    return load_target(name, layer, **{"input_size": 16, "defence": str(folder), **options})


def of(manifest: Manifest, spec: TargetSpec) -> Manifest:
    width = spec.feature_shape[0]
    return replace(manifest, target=spec, feature_mean=[0.0] * width, feature_std=[1.0] * width)


def test_the_spec(folder, refused, payload):
    path = folder / "defence.json"
    text, values = path.read_bytes(), json.loads(path.read_bytes())

    def write(**changes: object) -> None:
        path.write_text(json.dumps({**values, **changes}))

    load(folder)
    for what, changes in (
        ("a defence whose spec was edited", {"kind": "noise"}),
        ("a defence whose utility was edited", {"utility": {**values["utility"], "agreement": 0.125}}),
        ("a defence of another version", {"schema_version": 2}),
        ("a defence with a surplus key", {"code": "print()"}),
        ("a defence with a value of another type", {"payload": 3}),
        ("a defence of a network with a surplus key", {"target": {**values["target"], "colour": 1}}),
    ):
        write(**changes)
        refused(what, lambda: load(folder))
    for what, data in (
        ("a defence that is no JSON", text[:40]),
        ("a defence that is a pickle", payload),
        ("a defence that is no object", b"[1]"),
    ):
        path.write_bytes(data)
        refused(what, lambda: load(folder))
    path.unlink()
    refused("a folder that holds no defence", lambda: load(folder))


def test_the_weights(folder, refused, payload):
    path = folder / "model.safetensors"
    tensors, spec = load_file(path), read_defence(folder)
    save_file({name: value + 1 for name, value in tensors.items()}, path)
    refused("a defence whose weights were edited", lambda: load(folder))

    def seal(data: bytes | None = None) -> None:
        """As somebody would who knows how."""
        import hashlib

        if data is not None:
            path.write_bytes(data)
        replace(spec, weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest()).save(folder)

    seal(payload)
    refused("a defence whose weights are a pickle", lambda: load(folder))
    for what, changed in (
        ("a defence with a weight of nothing", {**tensors, "other.weight": torch.zeros(1)}),
        ("a defence with a weight that the network lacks", {**tensors, "network.9.weight": torch.zeros(1)}),
        ("a defence with a weight of another shape", {**tensors, "network.0.weight": torch.zeros(2, 3)}),
        ("a defence that lacks a weight", {k: v for k, v in tensors.items() if k != "cut.encode.bias"}),
    ):
        save_file(changed, path)
        seal()
        refused(what, lambda: load(folder))
    save_file(tensors, path)
    replace(spec, cut={"kind": "channels", "channels": 99}).save(folder)
    refused("a defence with a cut that does not fit", lambda: load(folder))
    path.unlink()
    refused("a defence without weights", lambda: load(folder))


def test_another_target(folder, refused):
    refused("a defence at another layer", lambda: load(folder, "5"))
    refused("a defence at another size", lambda: load(folder, input_size=32))
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3))
    refused("a defence of another network", lambda: load_target(other, "0", input_size=16, defence=str(folder)))
    spec = read_defence(folder)
    replace(spec, target=replace(spec.target, weights_sha256="0" * 64)).save(folder)
    refused("a defence of other weights", lambda: load(folder))


def test_features_of_another_defence(folder, tiny_shards, refused, caplog):
    manifest, target = Manifest.load(tiny_shards / "train"), load(folder)
    same = TargetConfig(name=target.spec.name, layer="2", input_size=16)
    data, noted = DataConfig(path="pairs"), of(manifest, target.spec)
    refused("pairs of a defended device", lambda: check_target(TrainConfig(target=same, data=data), noted))
    check_target(TrainConfig(target=replace(same, defence=str(folder)), data=data), noted)
    plain = of(manifest, load_target(same.name, "2", input_size=16).spec)
    defended = TrainConfig(target=replace(same, defence=str(folder)), data=data)
    refused("pairs of an undefended device", lambda: check_target(defended, plain))
    given = SenderConfig(defence=str(folder))
    check_given(given, target.spec, "mine")
    refused("an inverter of undefended features", lambda: check_given(given, plain.target, "mine"))
    assert load_same_target(target.spec, same.name) is None
    assert "give the folder of bottleneck" in caplog.text
    assert load_same_target(target.spec, same.name, defence=str(folder)).spec == target.spec
    assert "defence" not in plain.target.to_dict() and target.spec.to_dict()["defence"] == asdict(target.spec.defence)


def test_pictures_that_a_defence_was_trained_on(folder, pictures, dev_pictures, tiny_prior_folder, tmp_path, refused):
    """Also for an evaluation that is not given the defence: it says that nothing was compared."""
    target = TargetConfig(name="module:toy_defended:build", layer="2", input_size=16, defence=str(folder))
    made = PrepareConfig(target=target, prior=str(tiny_prior_folder), pairs=4, split="val", device="cpu")
    for name, source in (("same", pictures), ("other", dev_pictures)):
        prepare.run(replace(made, source=f"folder:{source}", output=str(tmp_path / name)))
    spec = Manifest.load(tmp_path / "same" / "val").target

    def find(name: str, defence: Path | None = folder) -> EvaluationPairs:
        return EvaluationPairs.find(tmp_path / name, "mine", spec, defence=None if defence is None else str(defence))

    def plan(name: str) -> list[Step]:
        train = TrainConfig(target=target, data=DataConfig(path=str(tmp_path / name)))
        return [Step(LayerInfo("2", (8, 8, 8), 512, 2048, 0.7, 0.5), {}, train, EvaluateConfig())]

    refused("pictures of an evaluation that a defence was trained on", lambda: find("same"))
    refused("pictures of an evaluation that a defence was trained on", lambda: check_pictures(plan("same")))
    check_pictures(plan("other"))
    said = "Whether the defence was trained on pictures of these is not known."
    assert said not in find("other").notes(1, spec) and said in find("same", None).notes(1, spec)
    (folder / "origins.json").write_text("{}")
    refused("a defence whose origins were edited", lambda: find("other"))
    (folder / "origins.json").unlink()
    assert said in find("other").notes(1, spec)


def test_finished_pairs_of_an_earlier_defence(folder, tiny_shards, tmp_path, refused):
    made = of(Manifest.load(tiny_shards / "train"), replace(load(folder).spec, defence=DefenceMark("nopeek", "0" * 64)))
    (tmp_path / "train").mkdir()
    made.save(tmp_path / "train")
    config = PrepareConfig(output=str(tmp_path), target=TargetConfig(defence=str(folder)))
    refused("finished pairs of a defence that was trained anew", lambda: check_defence(config))


def test_trainings(defend_config, refused, refused_by_command, tmp_path, monkeypatch):
    words = ["defend", f"output={tmp_path}"]
    refused_by_command("an unknown defence", [*words, "defence.kind=other"])
    refused_by_command("a key of another defence", [*words, "defence.kind=noise", "defence.ratio=0.5"])

    def attempt(number: int, *given: str, **settings: object) -> object:
        return defend.run(defend_config(tmp_path / str(number), *given, **settings))

    refused("a defence's value out of range", lambda: attempt(0, "disco", ratio=1.5))
    refused("a defence at several layers", lambda: attempt(1, "noise", "2+5"))
    refused("a layer whose server's half cannot run alone", lambda: attempt(2, "noise", "3.inner"))
    refused("noise that is none", lambda: attempt(3, "noise", payload="int8"))
    refused("a defence's range that is not known", lambda: attempt(4, payload="minmax:8:fit"))
    same = defend_config(tmp_path / "same")
    same.data.dev, same.data.dev_pictures = same.data.source, None
    refused("pictures of validation that a defence is trained on", lambda: defend.run(same))
    assert not (tmp_path / "same" / "defend.yaml").exists()
    path = "inverter.defences.modules.nopeek.distance_correlation"
    monkeypatch.setattr(path, lambda images, features: features.sum() * math.nan)
    refused("a defence whose training is not finite", lambda: attempt(5))
