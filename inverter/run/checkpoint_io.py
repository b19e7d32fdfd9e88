"""Writing checkpoints so that a crash leaves the old one or the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from inverter.run.files import whole_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside the checkpoint, then rename.

    Lightning's own passes through the system's temporary folder; from another disk that is a copy, not atomic.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, alone=True) as stream:
            torch.save(checkpoint, stream)
