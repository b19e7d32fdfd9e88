"""An attacker who has pairs of a target's old weights meets features of the fine-tuned ones."""

import json
from pathlib import Path

import pytest

from inverter.__main__ import main
from inverter.data.manifest import Manifest
from inverter.evaluation.results import Results

NETS = """
import torch
from torch import nn
from torch.nn import functional as F

def old() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 64, 5))

def tuned() -> nn.Module:
    network, drawn = old(), torch.Generator().manual_seed(0)
    images = torch.rand(8, 3, 32, 32, generator=drawn)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    with torch.enable_grad():
        for _ in range(5):
            optimizer.zero_grad()
            F.cross_entropy(network(images), torch.arange(8) % 5).backward()
            optimizer.step()
    return network
"""


def test_drifted_weights_are_accepted_where_they_are_named_and_the_report_says_it(
    tmp_path: Path, tiny_prior_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "drifting.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    old, tuned = ([f"target.name=module:drifting:{name}", "target.layer=1"] for name in ("old", "tuned"))
    pairs, run, prior = tmp_path / "pairs", tmp_path / "run", f"prior={tiny_prior_folder}"
    for target, split, folder in ((old, "train", pairs), (old, "dev", pairs), (tuned, "val", pairs)):
        words = [f"split={split}", "pairs=8", "num_inference_steps=1", f"output={folder}", "target.input_size=32"]
        assert main(["prepare", *target, prior, *words]) == 0
    before, after = (Manifest.load(pairs / split).target for split in ("train", "val"))
    assert before.weights_sha256 != after.weights_sha256
    words = [
        *("model.width=16", "model.depth=1", "model.coarse_width=16", "model.head_width=8", "optim.max_steps=2"),
        *("optim.max_time=null", "trainer.progress=false", "data.num_workers=0", "data.batch_size=4"),
    ]
    sized = [*old, "target.input_size=32"]
    assert main(["train", "train.yaml", *sized, prior, f"data.path={pairs}", f"output={run}", *words]) == 0
    evaluate = ["evaluate", *tuned, f"inverter={run}", "judges=[]", "num_bootstrap=20", "device=cpu"]
    capsys.readouterr()
    assert main(evaluate) == 2
    said = capsys.readouterr().err
    assert f"with weights_sha256 {before.weights_sha256}; the target at hand has {after.weights_sha256}" in said
    assert main([*evaluate, "accept=[weights_sha256]"]) == 0
    note = "The target's weights are not those that the attacker's pairs were made with."
    found = json.loads((run / "evaluation" / "metrics.json").read_text())
    assert note in found["notes"] and found["config"]["accept"] == ["weights_sha256"]
    assert found["target"] == after.to_dict() and found["trained_on"] == before.to_dict()
    assert Results.from_json(found).to_json() == found
    assert main(["publish", str(run), "name=drifted", f"output={tmp_path / 'published'}"]) == 2
    assert "was evaluated with accept=['weights_sha256']" in capsys.readouterr().err
    assert found["methods"].keys() >= {"mean", "nearest training image"}
    assert note in (run / "evaluation" / "report.html").read_text().replace("&#39;", "'")
