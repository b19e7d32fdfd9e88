"""The pictures of ``invert``: written, listed, shown beside the originals, and kept apart from an earlier run's."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.utils import make_grid

from inverter.config.parse import parse_json
from inverter.data.inputs import Input
from inverter.evaluation.recon_files import png
from inverter.losses.quality import to_bytes
from inverter.run.files import write_bytes, write_text

log = logging.getLogger(__name__)
NUM_SHOWN = 8


class ReconFolder:
    """``recon/KEY.png``, ``preview.png`` and ``summary.json`` of a folder.

    Args:
        folder: Is made; what it holds stays, but for the pictures that its ``summary.json`` lists and this run does not
            make.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys: list[str] = []
        self.shown: list[tuple[Tensor | None, Tensor]] = []
        (folder / "recon").mkdir(parents=True, exist_ok=True)

    def add(self, inputs: Sequence[Input], images: Tensor) -> Tensor:
        """Write a batch ``(B, 3, S, S)`` in [0, 1] as ``recon/KEY.png``; the B pictures as they were written, uint8.

        There may be fewer pictures than inputs, as of a clip that was stopped.
        """
        pictures = to_bytes(images.cpu())
        for item, picture in zip(inputs, pictures, strict=False):
            write_bytes(self.folder / "recon" / f"{item.key}.png", png(picture), sync=False)
            self.keys.append(item.key)
            if len(self.shown) < NUM_SHOWN:
                self.shown.append((item.picture, picture))
        return pictures

    def summarise(self, summary: dict[str, Any]) -> None:
        """Write ``summary.json``, ``keys`` in it; what the one before lists and this one does not is removed."""
        path, listed = self.folder / "summary.json", {**summary, "keys": self.keys}
        if stale := set(_listed(path)) - set(_files(listed)):
            log.info("%s listed other inputs: their pictures are removed", path)
            for name in stale:
                (self.folder / name).unlink(missing_ok=True)
        write_text(path, json.dumps(listed, indent=2) + "\n")

    def finish(self) -> None:
        """Write ``preview.png`` and say where everything lies."""
        write_bytes(self.folder / "preview.png", png(preview(self.shown)))
        count = len(self.keys)
        log.info("%d reconstruction%s in %s", count, "" if count == 1 else "s", self.folder / "recon")


def check_apart(source: Path, folder: Path) -> None:
    """Raise ValueError where writing to ``folder`` would overwrite the input ``source`` or add to it."""
    written = [folder / name for name in ("recon", "preview.png", f"{source.stem}.mp4")]
    for path in (path.resolve() for path in written):
        if path in (source.resolve(), *source.resolve().parents):
            raise ValueError(f"output {str(folder)!r} would overwrite the input {str(source)!r}; name another output")
    if source.is_dir() and source.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise ValueError(f"output {str(folder)!r} lies in the input {str(source)!r}; name another output")


def preview(shown: Sequence[tuple[Tensor | None, Tensor]]) -> Tensor:
    """Originals, where there are some, above reconstructions: one uint8 picture ``(3, H, W)``."""
    originals = [original for original, _ in shown if original is not None]
    pictures = [*(originals if len(originals) == len(shown) else []), *(recon for _, recon in shown)]
    return make_grid(torch.stack(pictures), nrow=len(shown), padding=2, pad_value=255)


def _listed(path: Path) -> list[str]:
    """Files of a ``summary.json``; none where it is absent or not of ``invert``."""
    try:
        return list(_files(parse_json(path.read_bytes())))
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _files(summary: dict[str, Any]) -> Iterator[str]:
    """Pictures and film that a summary lists, none outside of its folder."""
    for key in summary["keys"]:
        if Path(key).name == key:
            yield f"recon/{key}.png"
    film = summary.get("film")
    if film is not None and Path(film).name == film and film.endswith(".mp4"):
        yield film
