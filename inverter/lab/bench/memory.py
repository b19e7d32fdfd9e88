"""Peak resident memory of each stage, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from torchvision.utils import save_image

from inverter.__main__ import main
from inverter.data.reader import PairDataset
from inverter.lab.bench.config import BenchConfig
from inverter.lab.bench.measurement import Measurement
from inverter.run.memory import peak_memory


def measure(config: BenchConfig, pairs: Path) -> list[Measurement]:
    """Run prepare, train, evaluate and invert on a few pairs and read what the kernel counted."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        save_image(PairDataset(pairs / "train")[0]["image"].float() / 255, picture)
        return [
            Measurement.of(
                f"memory of {stage}",
                "MiB",
                [stage_memory([stage, *words]) / 2**20],
                f"peak resident memory of a process that runs {stage}, {config.batch_size} pairs a batch",
                more_is_better=False,
            )
            for stage, words in _commands(config, pairs, Path(folder), picture).items()
        ]


def stage_memory(words: Sequence[str]) -> int:
    """Bytes that a process running ``inverter WORDS`` had resident at most; its workers are not counted.

    Raises:
        RuntimeError: The stage failed.
    """
    process = subprocess.run([sys.executable, "-m", __name__, *words], capture_output=True, text=True)
    if process.returncode != 0:
        last = "".join(process.stderr.strip().splitlines()[-1:])
        raise RuntimeError(f"`inverter {' '.join(words)}` ended with status {process.returncode}: {last}")
    return int(process.stdout.splitlines()[-1])


def _commands(config: BenchConfig, pairs: Path, folder: Path, picture: Path) -> dict[str, list[str]]:
    t, run, size = config.target, folder / "run", config.batch_size
    target = [f"target.{key}={getattr(t, key)}" for key in ("name", "layer", "input_size", "payload", "pretrained")]
    shared = [*target, f"prior={config.prior}"]
    budget = [f"optim.max_steps={config.steps}", "optim.max_time=null", f"data.batch_size={size}"]
    device = f"device={config.device}"
    quiet = [f"trainer.{device}", "trainer.progress=false"]
    return {
        "prepare": [*shared, "source=photos", "split=val", f"pairs={size}", f"output={folder / 'pairs'}"],
        "train": [*shared, f"data.path={pairs}", *budget, *quiet, f"output={run}"],
        "evaluate": [*target, f"inverter={run}", f"data={folder / 'pairs'}", f"batch_size={size}", device],
        "invert": [*target, f"inverter={config.inverter}", f"input={picture}", f"output={folder / 'invert'}", device],
    }


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.write(f"{peak_memory()}\n")
    sys.exit(status)
