"""What ``invert`` leaves behind: pictures, a summary, a preview, of clips a film and its metrics."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.utils import make_grid

from inverter.config import InvertConfig
from inverter.data.clip_writer import DEFAULT_RATE, frame_rate, write_clip
from inverter.data.inputs import Input, is_clip
from inverter.evaluation.metrics import MIN_SSIM_SIDE, psnr, ssim, to_bytes
from inverter.evaluation.pictures import png
from inverter.evaluation.temporal import flicker, warping_error
from inverter.memory import peak_memory
from inverter.run_record import write_bytes, write_text
from inverter.whitebox.ledger import COUNTS
from inverter.whitebox.loop import Result

NUM_SHOWN = 8


class Output:
    """The folder of a run; originals, where the input was pictures, are shown and measured against, after the loop.

    Args:
        folder: Where everything goes.
        config: Of the run.
        size: Pixels a side of the reconstructions.
    """

    def __init__(self, folder: Path, config: InvertConfig, size: int) -> None:
        self.folder, self.config, self.size = folder, config, size
        self.rows: dict[str, dict[str, Any]] = {}
        self.seconds = 0.0
        self.stopped_by: int | None = None
        self.shown: list[tuple[Tensor | None, Tensor]] = []
        self.clip: dict[str, Any] | None = None
        (folder / "recon").mkdir(parents=True, exist_ok=True)

    def add(self, inputs: Sequence[Input], result: Result) -> None:
        """Write a batch's pictures; a clip that was stopped has fewer frames than inputs."""
        pictures = to_bytes(result.images.cpu())
        for number, (item, picture) in enumerate(zip(inputs, pictures, strict=False)):
            write_bytes(self.folder / "recon" / f"{item.key}.png", png(picture))
            losses = {"feature_loss": result.feature_loss, "first_feature_loss": result.first_loss}
            counts = {name: int(result.counts[name][number]) for name in COUNTS}
            self.rows[item.key] = {name: _number(values[number]) for name, values in losses.items()} | counts
            if len(self.shown) < NUM_SHOWN:
                self.shown.append((item.picture, picture))
        self.seconds += result.seconds
        self.stopped_by = result.stopped_by
        if is_clip(Path(self.config.input)):
            self._write_clip(inputs[: len(pictures)], pictures)

    def finish(self) -> None:
        """Write summary and preview; the states of a run that is done are removed."""
        losses = [row["feature_loss"] for row in self.rows.values()]
        summary = {
            "method": self.config.method,
            "target": self.config.target.name,
            "layers": self.config.layers or [self.config.target.layer],
            "keys": list(self.rows),
            "feature_loss": sum(losses) / max(len(losses), 1),
            "seconds": self.seconds,
            **{name: sum(row[name] for row in self.rows.values()) for name in COUNTS},
            "peak_memory_bytes": _peak_memory(),
            "stopped_by": self.stopped_by,
            "clip": self.clip,
            "images": self.rows,
        }
        write_text(self.folder / "summary.json", json.dumps(summary, indent=2) + "\n")
        write_bytes(self.folder / "preview.png", png(preview(self.shown)))
        if self.stopped_by is None:
            shutil.rmtree(self.folder / "state", ignore_errors=True)

    def _write_clip(self, inputs: Sequence[Input], pictures: Tensor) -> None:
        path, video = Path(self.config.input), self.config.video
        rate = frame_rate(path, video.stride, video.fps) if path.is_file() else DEFAULT_RATE
        write_clip(self.folder / f"{path.stem}.mp4", pictures, rate)
        original = torch.stack([item.picture for item in inputs if item.picture is not None]).float() / 255
        self.clip = measure_clip(pictures.float() / 255, original)
        for row, value in zip(self.rows.values(), self.clip["psnr"], strict=True):
            row["psnr"] = value


def measure_clip(recon: Tensor, original: Tensor) -> dict[str, Any]:
    """Metrics of each frame, and of each pair of consecutive ones, with their means.

    Args:
        recon: ``(T, 3, H, W)`` in [0, 1].
        original: As ``recon``.
    """
    values = {"psnr": psnr(recon, original).tolist()}
    if min(recon.shape[-2:]) >= MIN_SSIM_SIDE:
        values["ssim"] = ssim(recon, original).tolist()
    values["flicker"] = flicker(recon, original).tolist()
    values["warping_error"] = [_number(value) for value in warping_error(recon, original)]
    means = {}
    for name, found in values.items():
        known = [value for value in found if value is not None]
        means[f"mean_{name}"] = sum(known) / len(known) if known else None
    return means | values


def preview(shown: Sequence[tuple[Tensor | None, Tensor]]) -> Tensor:
    """Originals, where there are some, above reconstructions: one uint8 picture ``(3, H, W)``."""
    originals = [original for original, _ in shown if original is not None]
    pictures = [*(originals if len(originals) == len(shown) else []), *(recon for _, recon in shown)]
    return make_grid(torch.stack(pictures), nrow=len(shown), padding=2, pad_value=255)


def _number(value: Tensor) -> float | None:
    return float(value) if math.isfinite(value) else None


def _peak_memory() -> int:
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else peak_memory()
