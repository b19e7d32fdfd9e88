"""The picture that is shown of a published inverter."""

from __future__ import annotations

from pathlib import Path

from torchvision.io import read_image
from torchvision.utils import make_grid, save_image

PREVIEW_IMAGES = 8


def write_preview(evaluation: Path, path: Path) -> None:
    """Grid of originals over reconstructions from an evaluation's ``recon`` folder; only for pictures one may share."""
    methods = [name for name in ("original", "mean", "sample") if (evaluation / "recon" / name).is_dir()]
    if not methods:
        raise ValueError(f"preview is {str(evaluation)!r}, which holds no recon/ of an evaluation")
    keys = sorted(file.name for file in (evaluation / "recon" / methods[0]).glob("*.png"))
    step = max(len(keys) // PREVIEW_IMAGES, 1)
    chosen = keys[::step][:PREVIEW_IMAGES]
    rows = [read_image(str(evaluation / "recon" / name / key)).float() / 255 for name in methods for key in chosen]
    save_image(make_grid(rows, nrow=len(chosen), padding=2), path)
