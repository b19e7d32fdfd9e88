"""``kill -9`` at random moments: what is done stays done, and the end is the same."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from inverter.config import save_config

KILLS = [pytest.param(3, id="three"), pytest.param(10, id="ten", marks=pytest.mark.slow)]
MAX_STEPS = 30
PREPARE = [
    "target.layer=blocks.0",
    "target.input_size=32",
    "pairs=40",
    "shard_size=2",
    "batch_size=2",
    "precision=fp32",
]


def kill_at_random(start, words: Sequence[str], kills: int, seconds: float, progress: Callable[[], int]) -> list[int]:
    """Progress after each of the ``kills``, within ``seconds`` of the run's first progress (every third: its start)."""
    moments, left = random.Random(0), []
    for number in range(kills):
        before = progress()
        (process,) = start(words)
        while number % 3 and process.is_alive() and progress() == before:
            time.sleep(0.01)
        process.join(moments.uniform(0, seconds))
        process.kill()
        process.join()
        left.append(progress())
        assert left[-1] >= before
    return left


@pytest.mark.parametrize("kills", KILLS)
def test_training_goes_on_bitwise(train_config, start, finish, tmp_path: Path, kills: int) -> None:
    """A checkpoint after each step; epochs have two steps, so most kills are in the middle of one."""

    def words(output: Path) -> list[str]:
        save_config(train_config(output, max_steps=MAX_STEPS), tmp_path / f"{output.name}.yaml")
        return ["train", str(tmp_path / f"{output.name}.yaml")]

    def load(run: str, name: str = "last") -> dict:
        return torch.load(tmp_path / run / "checkpoints" / f"{name}.ckpt", weights_only=True)

    def steps() -> int:
        return load("killed")["global_step"] if (tmp_path / "killed" / "checkpoints" / "last.ckpt").is_file() else 0

    finish(words(tmp_path / "whole"))
    grids = sorted((tmp_path / "whole" / "grids").iterdir(), key=lambda path: path.stat().st_mtime)
    seconds = grids[-1].stat().st_mtime - grids[0].stat().st_mtime
    left = kill_at_random(start, words(tmp_path / "killed"), kills, seconds / kills, steps)
    assert any(0 < step < MAX_STEPS for step in left)
    finish(words(tmp_path / "killed"))
    for name in ("last", "best"):
        killed, whole = load("killed", name), load("whole", name)
        assert killed["global_step"] == whole["global_step"]
        for part in ("state_dict", "current_model_state"):  # averaged and raw
            assert all(torch.equal(killed[part][key], value) for key, value in whole[part].items())


@pytest.mark.parametrize("kills", KILLS)
def test_preparation_keeps_finished_shards(tiny_prior_folder: Path, start, finish, tmp_path: Path, kills: int) -> None:
    def words(output: str) -> list[str]:
        return ["prepare", *PREPARE, f"prior={tiny_prior_folder}", f"output={tmp_path / output}"]

    def contents(output: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / output / "train").iterdir()}

    finish(words("whole"))
    shards = sorted((tmp_path / "whole" / "train").glob("*.tar"))
    seconds = shards[-1].stat().st_mtime - shards[0].stat().st_mtime
    killed = tmp_path / "killed" / "train"
    left = kill_at_random(start, words("killed"), kills, seconds / kills, lambda: len(list(killed.glob("pairs*.json"))))
    assert any(0 < number < len(shards) for number in left)
    written = {path.name: path.stat().st_mtime_ns for path in killed.glob("pairs*.json")}
    finish(words("killed"))
    assert contents("killed") == contents("whole")
    assert written.items() <= {path.name: path.stat().st_mtime_ns for path in killed.iterdir()}.items()
