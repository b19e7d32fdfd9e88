from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from inverter.audit import motion
from inverter.evaluation.recon_files import png, recon_path

KEYS, GROUPS = ("a-0", "a-1", "a-2", "b-0", "b-1"), ("a", "a", "a", "b", "b")
LEVELS = {  # grey of each frame; between a and b is a cut that counts for nobody
    "original": (10, 20, 30, 200, 220),  # changes 10 + 10 and 20
    "mean": (15, 20, 25, 0, 10),  # 5 + 5 and 10
    "sample": (0, 40, 10, 100, 130),  # 40 + 30 and 30
}


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An evaluation of two clips whose frames are of one grey each; ``source`` may be changed."""
    step = SimpleNamespace(pairs=tmp_path, evaluation=tmp_path, source="video:clips")
    for method, levels in LEVELS.items():
        for key, level in zip(KEYS, levels, strict=True):
            path = recon_path(tmp_path / "recon", method, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(torch.full((3, 4, 4), level, dtype=torch.uint8)))
    monkeypatch.setattr(motion, "read_per_image", lambda path: SimpleNamespace(keys=KEYS, groups=GROUPS))
    monkeypatch.setattr(motion.Manifest, "load", lambda path: SimpleNamespace(source=step.source))
    return step


def test_motion_of_frames_by_hand():
    frames = torch.zeros(3, 3, 2, 2)
    frames[1, 0] = 0.6  # a third of the channels changes by 0.6, and back
    assert motion.motion(frames) == pytest.approx(2 * 0.6 / 3)
    assert motion.motion(frames[:1]) == 0


def test_reconstructions_are_compared_with_the_clips(step):
    assert motion.read_motion(step) == pytest.approx({"mean": 20 / 40, "sample": 100 / 40})


def test_crops_of_photos_do_not_follow_each_other(step):
    step.source = "photos"
    assert motion.read_motion(step) == {}


def test_nothing_is_said_where_nothing_moves(step):
    for key in KEYS:
        recon_path(step.evaluation / "recon", "original", key).write_bytes(png(torch.zeros(3, 4, 4, dtype=torch.uint8)))
    assert motion.read_motion(step) == {}
