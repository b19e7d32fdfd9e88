"""Heavy libraries are imported by the stages that use them, and by no other."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from inverter import evaluation

ROOT = Path(__file__).parents[2]
HEAVY = ("lightning", "torchmetrics", "timm", "skimage", "sklearn", "inverter.blackbox.build")
PROBE = f"""
import gc, json, sys
from inverter.__main__ import main
for words in json.loads(sys.argv[1]):
    status = main(words)
    print("PROBE", status, gc.isenabled(), *(name for name in {HEAVY!r} if name in sys.modules))
"""


def probe(*commands: list[str]) -> list[list[str]]:
    """Status, whether garbage is collected, and the heavy modules there, after each command in one new process."""
    words = [sys.executable, "-c", PROBE, json.dumps(commands)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=240)
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("PROBE")]
    assert len(found) == len(commands), done.stderr
    assert "leaked" not in done.stderr
    return found


def test_inverting_and_preparing_import_nothing_that_trains_or_measures(tiny_published, tiny_prior_folder, tmp_path):
    np.save(tmp_path / "features.npy", np.zeros((6, 5, 7), np.float32))
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (40, 40), "red").save(tmp_path / "pictures" / "red.png")
    invert = [f"inverter={tiny_published}", f"input={tmp_path / 'features.npy'}", f"output={tmp_path / 'out'}"]
    target = ["target.name=timm:test_vit2", "target.layer=blocks.1", "target.input_size=64", "target.pretrained=false"]
    prepare = [f"source=folder:{tmp_path / 'pictures'}", f"prior={tiny_prior_folder}", f"output={tmp_path / 'pairs'}"]
    commands = ["invert", *invert, "device=cpu"], ["prepare", *target, *prepare, "pairs=1", "device=cpu"]
    assert probe(*commands) == [["0", "True"], ["0", "True", "timm"]]


def test_public_names_of_the_evaluation_are_found():
    assert set(dir(evaluation)) == set(evaluation.__all__)
    assert {name: getattr(evaluation, name).__name__ for name in evaluation.__all__} == {
        name: name for name in evaluation.__all__
    }
