"""Writing checkpoints so that a crash leaves the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from inverter.run.files import whole_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside the checkpoint, then rename; read it wherever its run lies now.

    Lightning's own passes through the system's temporary folder; from another disk that is a copy, not atomic.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, alone=True) as stream:
            torch.save(checkpoint, stream)

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        checkpoint, folder = super().load_checkpoint(path, *args, **kwargs), os.path.realpath(Path(path).parent)
        for state in checkpoint.get("callbacks", {}).values():
            if "best_model_path" in state:
                _rebase(state, Path(folder))
        return checkpoint


def _rebase(state: dict[str, Any], folder: Path) -> None:
    """Let the state of a ``ModelCheckpoint`` name the folder that its files lie in: of another it forgets the score."""

    def moved(path: str) -> str:
        return str(folder / Path(path).name) if path else path

    if not Path(moved(state["best_model_path"])).is_file():
        return
    for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
        state[name] = moved(state[name])
    state["best_k_models"] = {moved(path): score for path, score in state["best_k_models"].items()}
    state["dirpath"] = str(folder)
