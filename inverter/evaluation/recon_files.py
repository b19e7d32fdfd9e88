"""Pictures of an evaluation: which to show, as PNG bytes, and the file of every reconstruction."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import torch
from PIL import Image
from torch import Tensor

from inverter.evaluation.results import Pictures
from inverter.losses.quality import to_bytes
from inverter.run.files import write_bytes

NUM_FIRST = 8
NUM_RANKED = 5


def select_pictures(
    keys: Sequence[str],
    text: Sequence[str],
    image: Tensor,
    recon: Mapping[str, Tensor],
    psnr: Mapping[str, Tensor],
    ranked_by: Sequence[str],
) -> tuple[Pictures, ...]:
    """Choose the first 8 images, then for some methods the 5 best, 5 median and 5 worst by PSNR.

    Args:
        keys: Keys of the n images.
        text: Their captions.
        image: Originals, ``(n, 3, H, W)`` uint8.
        recon: Method to its reconstructions, as ``image``.
        psnr: Method to decibels ``(n,)``.
        ranked_by: Methods whose best, median and worst images are chosen; every method is shown on them.
    """
    chosen: dict[tuple[str, str | None], list[int]] = {("first", None): list(range(len(keys)))[:NUM_FIRST]}
    for method in ranked_by:
        order = torch.argsort(psnr[method], descending=True, stable=True).tolist()
        count = min(NUM_RANKED, len(order))
        middle = (len(order) - count) // 2
        chosen |= {
            ("best", method): order[:count],
            ("median", method): order[middle : middle + count],
            ("worst", method): order[-count:],
        }
    return tuple(
        Pictures(
            rank,
            ranked_by,
            tuple(keys[i] for i in indices),
            tuple(text[i] for i in indices),
            image[indices],
            {name: pictures[indices] for name, pictures in recon.items()},
            {name: tuple(psnr[name][indices].tolist()) for name in recon},
        )
        for (rank, ranked_by), indices in chosen.items()
    )


def png(picture: Tensor) -> bytes:
    """PNG file of a uint8 picture ``(3, H, W)``."""
    stream = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(stream, "PNG")
    return stream.getvalue()


def save_recons(folder: Path) -> Callable[[str, Sequence[str], Tensor], None]:
    """Callback for ``evaluate`` that writes ``FOLDER/METHOD/KEY.png``; names are percent-encoded where they must be."""

    def save(method: str, keys: Sequence[str], recon: Tensor) -> None:
        for key, picture in zip(keys, to_bytes(recon), strict=True):
            path = recon_path(Path(folder), method, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, png(picture), sync=False)

    return save


def recon_path(folder: Path, method: str, key: str) -> Path:
    """Where :func:`save_recons` puts a picture."""
    return folder / _file_name(method) / f"{_file_name(key)}.png"


def _file_name(name: str) -> str:
    quoted = quote(name, safe=" ")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")
