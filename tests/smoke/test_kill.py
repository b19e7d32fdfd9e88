"""``kill -9`` at random moments: what is done stays done, and the end is the same."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from inverter.audit.progress import LEFT
from inverter.audit.record import Audit
from inverter.run.record import save_config
from inverter.run.steps import STEPS

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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_preparation_says_how_to_go_on(tiny_prior_folder: Path, tmp_path: Path, number: int) -> None:
    """One line, in which the folder stands, and no traceback; shards that were finished are there."""
    words = ["prepare", *PREPARE, f"prior={tiny_prior_folder}", f"output={tmp_path}", "pairs=4000"]
    command = [sys.executable, "-m", "inverter", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not list(tmp_path.rglob("pairs*.json")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + number, errors
    word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert errors.splitlines()[-1] == f"{word}; finished shards are kept: the same command goes on"
    assert "Traceback" not in errors


@pytest.mark.parametrize("kills", KILLS)
def test_an_audit_repeats_no_step(
    tiny_prior_folder: Path, audit_words, start, finish, tmp_path: Path, kills: int
) -> None:
    """Its scores, by a judge too, and the weights that it trained are those of an audit that nothing stopped."""
    noted: list[dict[Path, int]] = []

    def words(output: str) -> list[str]:
        sizes = ["train.pairs=8", "dev.pairs=4", "val.pairs=4", "shard_size=2", "optim.max_steps=4"]
        sizes.append("metric=agreement")  # four pictures are too few distractors
        return [*audit_words(tmp_path / output), f"prior={tiny_prior_folder}", *sizes]

    def finished(output: str) -> dict[Path, int]:
        """When each file of a finished shard or step was written."""
        files = list((tmp_path / output).glob("pairs-*/*/pairs*.json"))
        files += [file.with_suffix(".tar") for file in files]
        for steps in (tmp_path / output).glob(f"audit/*/{STEPS}"):
            stages = json.loads(steps.read_text())
            done = [stage for stage, step in stages.items() if step.get("done")]
            files += [steps.parent / name for stage in done for name in LEFT[stage]]
        return {file: file.stat().st_mtime_ns for file in files}

    def progress() -> int:
        noted.append(finished("killed"))
        return len(noted[-1])

    def weights(output: str) -> list[dict[str, torch.Tensor]]:
        best = sorted((tmp_path / output / "audit").glob("*/checkpoints/best.ckpt"))
        return [torch.load(path, weights_only=True)["state_dict"] for path in best]

    finish(words("whole"))
    written = sorted(finished("whole").values())
    left = kill_at_random(start, words("killed"), kills, (written[-1] - written[0]) / 1e9 / kills, progress)
    assert any(0 < number < len(written) for number in left)
    finish(words("killed"))
    ended = finished("killed")
    assert len(ended) == len(written)
    assert all(files.items() <= ended.items() for files in noted)
    assert len(weights("whole")) == 2
    for killed, whole in zip(weights("killed"), weights("whole"), strict=True):
        assert killed.keys() == whole.keys()
        assert all(torch.equal(killed[name], value) for name, value in whole.items())
    killed, whole = (Audit.load(tmp_path / output / "audit" / "report.json") for output in ("killed", "whole"))
    assert (killed.metric, killed.recommended) == (whole.metric, whole.recommended)
    for one, other in zip(killed.layers, whole.layers, strict=True):
        assert (one.layer, one.scores, one.metrics) == (other.layer, other.scores, other.metrics)
