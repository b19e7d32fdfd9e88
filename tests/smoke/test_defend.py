"""From a defence to pairs of its features, on the command line."""

from pathlib import Path

import pytest
from defences_toys import pictures, toy_network

from inverter.__main__ import main
from inverter.data.manifest import Manifest
from inverter.targets.defence import read_defence

__all__ = ["pictures", "toy_network"]


@pytest.mark.parametrize(
    ("kind", "payload", "shape"), [("nopeek", "int8", (8, 8, 8)), ("bottleneck", "zlib", (2, 8, 8))]
)
def test_defend_then_prepare(kind, payload, shape, toy_network, pictures, tmp_path: Path, tiny_prior_folder, capsys):
    target = [f"target.name={toy_network}", "target.layer=2", "target.input_size=16"]
    words = [f"defence.kind={kind}", "data.batch_size=8", *(["defence.channels=2"] if kind == "bottleneck" else [])]
    source = [
        f"data.source=folder:{pictures}",
        f"data.dev=folder:{pictures}",
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
