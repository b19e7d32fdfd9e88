"""What a white-box run leaves behind: pictures, a preview, a summary of its costs, of clips a film and its metrics."""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inverter.data.clip_writer import DEFAULT_RATE, frame_rate, write_clip
from inverter.data.inputs import Input, is_clip
from inverter.evaluation.temporal import flicker, warping_error
from inverter.inversion.recon import ReconFolder
from inverter.losses.quality import MIN_SSIM_SIDE, psnr, ssim
from inverter.run.device import pick_device
from inverter.run.memory import peak_memory
from inverter.targets.defence import find_mark
from inverter.whitebox.config import InvertConfig
from inverter.whitebox.loop import Result
from inverter.whitebox.search_state import COUNTS


class Output:
    """The folder of a run; originals, where the input was pictures, are shown and measured against, after the loop.

    Args:
        folder: Where everything goes.
        config: Of the run.
        size: Pixels a side of the reconstructions.
    """

    def __init__(self, folder: Path, config: InvertConfig, size: int) -> None:
        self.folder, self.config, self.size = folder, config, size
        self.cuda = pick_device(config.device) == "cuda"
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        self.recon = ReconFolder(folder)
        self.rows: dict[str, dict[str, Any]] = {}
        self.seconds = 0.0
        self.stopped_by: int | None = None
        self.limit: str | None = None
        self.film: str | None = None
        self.clip: dict[str, Any] | None = None

    def add(self, inputs: Sequence[Input], result: Result, prompts: Sequence[str | None]) -> None:
        """Write a batch's pictures and the summary so far; a clip that was stopped has fewer frames than inputs."""
        pictures = self.recon.add(inputs, result.images)
        for number, item in enumerate(inputs[: len(pictures)]):
            losses = {"feature_loss": result.feature_loss, "first_feature_loss": result.first_loss}
            counts = {name: int(result.counts[name][number]) for name in COUNTS}
            feature_losses = {name: _number(values[number]) for name, values in losses.items()}
            self.rows[item.key] = {**feature_losses, **counts, "prompt": prompts[number]}
        self.seconds += result.seconds
        self.stopped_by, self.limit = result.stopped_by, self.limit or result.limit
        if is_clip(Path(self.config.input)):
            self._write_clip(inputs[: len(pictures)], pictures)
        self.recon.summarise(self.summary())

    def summary(self) -> dict[str, Any]:
        """Plain data: what was attacked, how near the features came and what it cost."""
        target, losses = self.config.target.filled(), [row["feature_loss"] for row in self.rows.values()]
        return {
            "method": self.config.method,
            "target": target.name,
            "layers": self.config.layers or [target.layer],
            "input_size": target.input_size,
            "payload": target.payload,
            **({} if target.defence is None else {"defence": str(find_mark(target.defence))}),
            "feature_loss": sum(losses) / max(len(losses), 1),
            "seconds": self.seconds,
            **{name: sum(row[name] for row in self.rows.values()) for name in COUNTS},
            "peak_memory_bytes": torch.cuda.max_memory_allocated() if self.cuda else peak_memory(),
            "stopped_by": self.limit if self.stopped_by is None else signal.Signals(self.stopped_by).name,
            "film": self.film,
            "clip": self.clip,
            "images": self.rows,
        }

    def finish(self) -> None:
        """Write the preview; the states of a run that is done are removed."""
        self.recon.finish()
        if self.stopped_by is not None:
            return
        for key in self.rows:
            (self.folder / "state" / f"{key}.safetensors").unlink(missing_ok=True)
        with suppress(OSError):  # it is not there, or holds more
            (self.folder / "state").rmdir()

    def _write_clip(self, inputs: Sequence[Input], pictures: Tensor) -> None:
        path, video = Path(self.config.input), self.config.video
        rate = frame_rate(path, video.stride, video.fps) if path.is_file() else DEFAULT_RATE
        self.film = f"{path.stem}.mp4"
        write_clip(self.folder / self.film, pictures, rate)
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
    for name, per_image in values.items():
        known = [value for value in per_image if value is not None]
        means[f"mean_{name}"] = sum(known) / len(known) if known else None
    return means | values


def _number(value: Tensor) -> float | None:
    return float(value) if math.isfinite(value) else None
