"""From a defence to pairs of its features, on the command line."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from defences_toys import defend_config, dev_pictures, pictures, toy_network

from inverter.__main__ import main
from inverter.data.manifest import Manifest
from inverter.stages import defend
from inverter.targets.defence import read_defence

__all__ = ["defend_config", "dev_pictures", "pictures", "toy_network"]


@pytest.mark.parametrize(
    ("kind", "payload", "shape"), [("nopeek", "int8", (8, 8, 8)), ("bottleneck", "zlib", (2, 8, 8))]
)
def test_defend_then_prepare(
    kind, payload, shape, toy_network, pictures, dev_pictures, tmp_path: Path, tiny_prior_folder, capsys
):
    target = [f"target.name={toy_network}", "target.layer=2", "target.input_size=16"]
    words = [f"defence.kind={kind}", "data.batch_size=8", *(["defence.channels=2"] if kind == "bottleneck" else [])]
    source = [
        f"data.source=folder:{pictures}",
        f"data.dev=folder:{dev_pictures}",
        "data.resolution=16",
        "data.batch_size=8",
    ]
    short = [
        "optim.max_steps=3",
        "optim.max_time=null",
        "trainer.progress=false",
        "data.num_workers=0",
        "data.batch_size=8",
    ]
    output = tmp_path / "defended"
    assert main(["defend", "defend.yaml", *target, *words, *source, *short, f"output={output}"]) == 0
    spec, pairs = read_defence(output), tmp_path / "pairs"
    prepare = ["prepare", *target, f"prior={tiny_prior_folder}", f"source=folder:{pictures}", f"output={pairs}"]
    assert main([*prepare, f"target.defence={output}", f"target.payload={payload}"]) == 0
    manifest = Manifest.load(pairs / "train")
    assert (manifest.target.defence, manifest.target.payload) == (spec.mark, payload)
    assert manifest.target.feature_shape == shape and 0 < manifest.sent_bytes < 4 * 8 * 8 * 8
    assert f"the pairs are of the defended device ({kind})" in manifest.threat_model
    capsys.readouterr()
    assert main(["prepare", *prepare[1:], "split=dev", f"target.defence={output}", "target.layer=5"]) == 2
    assert "was trained for target.layer=2, not 5; allowed: 2" in capsys.readouterr().err


@pytest.mark.slow
def test_an_audit_of_a_defended_device(defend_config, tmp_path: Path, tiny_prior_folder, capsys):
    folder = defend.run(defend_config(tmp_path / "defended", "bottleneck"))
    target = ["target.name=module:toy_defended:build", "target.input_size=16", f"target.defence={folder}"]
    words = [
        *("train.pairs=16", "dev.pairs=8", "val.pairs=24", "num_inference_steps=1", "num_bootstrap=50"),
        *("model.width=16", "model.depth=1", "model.coarse_width=16", "model.head_width=8"),
        *("data.batch_size=4", "data.num_workers=0", "optim.max_time=null", "optim.precision=fp32"),
        *("trainer.progress=false", "trainer.device=cpu"),
    ]
    folders = [f"prior={tiny_prior_folder}", f"output={tmp_path / 'audit'}", f"data.path={tmp_path}/pairs-{{layer}}"]
    command = ["audit", "audit.yaml", *target, *words, *folders, "judges=[]", "metric=psnr", "optim.max_steps=2"]
    assert main([*command, "layers=[2]"]) == 0
    audit = json.loads((tmp_path / "audit" / "report.json").read_text())
    assert audit["target"]["defence"] == asdict(read_defence(folder).mark)
    assert audit["layers"][0]["feature_shape"] == [2, 8, 8]
    assert main([*command, "layers=[2,5]", f"output={tmp_path / 'other'}"]) == 2
    assert "was trained for target.layer=2" in capsys.readouterr().err
