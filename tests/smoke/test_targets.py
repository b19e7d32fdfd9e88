"""Prepare, train, evaluate and invert for a channels-last map, tokens, a vector and joint layers."""

import json
from pathlib import Path

import pytest
from skimage import data
from skimage.io import imsave

from inverter.__main__ import main
from inverter.data.manifest import Manifest
from inverter.targets.shape import num_channels

NETS = """
from torch import nn

class ChannelsLast(nn.Module):
    def forward(self, features):
        return features.permute(0, 2, 3, 1)

def build() -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(3, 24, 4, stride=4), ChannelsLast(), nn.LayerNorm(24), nn.ReLU())
    return nn.Sequential(stem, nn.Flatten(), nn.Linear(24 * 64, 20))
"""
TARGETS = [
    ("module:my_nets:build", "0", 32, (24, 8, 8)),
    ("timm:test_vit2", "blocks.1", 64, (17, 64)),  # a register token before 4 x 4 patches
    ("module:my_nets:build", "2", 32, (20,)),
    ("module:my_nets:build", "0+2", 32, ((24, 8, 8), (20,))),
]


@pytest.mark.parametrize(("name", "layer", "input_size", "shape"), TARGETS, ids=["map", "tokens", "vector", "joint"])
def test_from_pictures_to_reconstructions(
    name, layer, input_size, shape, tmp_path: Path, tiny_prior_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    target = [f"target.name={name}", f"target.layer={layer}", "target.pretrained=false"]
    sized = [*target, f"target.input_size={input_size}"]
    pairs, run, prior = tmp_path / "pairs", tmp_path / "run", f"prior={tiny_prior_folder}"
    for split, count in (("train", 8), ("dev", 4), ("val", 4)):
        words = [f"output={pairs}", f"split={split}", f"pairs={count}", "num_inference_steps=1"]
        assert main(["prepare", *sized, prior, *words]) == 0
    manifest = Manifest.load(pairs / "val")
    assert (manifest.target.feature_shape, len(manifest.feature_mean)) == (shape, num_channels(shape))
    small = [
        "model.width=16",
        "model.depth=1",
        "model.coarse_width=16",
        "model.head_width=8",
        "model.num_inference_steps=4",
    ]
    short = [
        "optim.max_steps=4",
        "optim.max_time=null",
        "trainer.progress=false",
        "data.num_workers=0",
        "data.batch_size=4",
    ]
    assert main(["train", *sized, prior, *small, *short, f"data.path={pairs}", f"output={run}"]) == 0
    assert main(["evaluate", *target, f"inverter={run}", "num_bootstrap=50", "judges=[]"]) == 0
    scores = json.loads((run / "evaluation" / "metrics.json").read_text())["methods"]["mean"]["metrics"]
    assert scores["psnr"]["mean"] > 0 and -1 <= scores["feature_cosine"]["mean"] <= 1  # the target was at hand
    assert main(["publish", str(run), "name=toy", f"output={tmp_path}"]) == 0
    imsave(tmp_path / "photo.png", data.astronaut()[::4, ::4])
    words = [f"input={tmp_path / 'photo.png'}", f"inverter={tmp_path / 'toy'}", f"output={tmp_path / 'invert'}"]
    assert main(["invert", *target, *words]) == 0
    assert (tmp_path / "invert" / "recon" / "photo.png").is_file()
    words = [f"input={tmp_path / 'photo.png'}", "method=direct", "image_size=16", f"output={tmp_path / 'direct'}"]
    assert main(["invert", *sized, *words, f"inverter={tmp_path / 'toy'}", "direct.num_steps=5"]) == 0
    costs = json.loads((tmp_path / "direct" / "summary.json").read_text())
    assert costs["layers"] == [layer]
