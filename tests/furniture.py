"""What the commands of the documents take for granted: pictures, image shards, clips, features and a network."""

import io
import json
import tarfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch
from documents import ROOT
from PIL import Image

from inverter.data.clip_writer import write_clip

CLASSES = ("cat", "dog")
NETWORK = """
from collections import OrderedDict
from torch import nn

def build():
    encoder = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.Tanh(), nn.Conv2d(4, 6, 4, 4), nn.Tanh(), nn.Conv2d(6, 4, 1))
    return nn.Sequential(OrderedDict(encoder=encoder))
"""


def furnish(folder: Path) -> None:
    """Fill a folder with all that a page may name; ``configs`` and ``checkpoints`` are those of the checkout."""
    for name in ("configs", "checkpoints"):
        (folder / name).symlink_to(ROOT / name)
    for split in ("train", "dev", "val"):
        _save_pictures(folder / "pictures" / split, 100 * len(split) + ord(split[0]))
        for file in (folder / "pictures" / split).rglob("*.png"):
            _save_features(folder / "captured" / file.relative_to(folder / "pictures"), (8, 4, 4))
        _save_table(folder, split)
    _save_features(folder / "captured" / "new" / "a", (8, 4, 4))
    _save_pictures(folder / "downloads" / "food" / "train")
    for number in range(4):
        save_shard(folder / f"pictures-{number:03}.tar", [number])
    for number in range(12):
        save_shard(folder / "images" / f"train-{number:03}.tar", [number])
    for name, first in (("dev", 20), ("val", 30), ("photos", 40)):
        save_shard(folder / "images" / f"{name}-000.tar", range(first, first + 6))
    for file in ("photo.jpg", "photos/a.jpg", "photos/b.jpg"):
        (folder / file).parent.mkdir(exist_ok=True)
        _picture(len(file)).save(folder / file)
    (folder / "clips").mkdir()
    frames = torch.stack([torch.full((3, 48, 48), 20 * shade, dtype=torch.uint8) for shade in range(6)])
    for file in ("clip.mp4", "holiday.mp4", "clips/a.mp4"):
        write_clip(folder / file, frames, Fraction(4))
    for package in ("package", "my_package"):
        (folder / package).mkdir()
        (folder / package / "nets.py").write_text(NETWORK)


def _picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((48, 48))


def _save_pictures(folder: Path, seed: int = 0) -> None:
    for number, name in enumerate(CLASSES * 2):
        (folder / name).mkdir(parents=True, exist_ok=True)
        _picture(number + seed).save(folder / name / f"{number}.png")


def _save_table(folder: Path, split: str) -> None:
    """Sixty unit vectors, with the paths of pictures and their classes."""
    pictures = sorted((folder / "pictures" / split).rglob("*.png")) * 15
    vectors = np.random.default_rng(len(split)).normal(size=(60, 16)).astype(np.float32)
    columns = {
        "vector": list(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)),
        "file": [str(picture.relative_to(folder)) for picture in pictures],
        "label": [CLASSES.index(picture.parent.name) for picture in pictures],
    }
    pyarrow.parquet.write_table(pa.table(columns), folder / f"{split}.parquet")
    stored = {"vector": list(np.sign(vectors))}  # of a store that keeps signs
    pyarrow.parquet.write_table(pa.table(stored), folder / "stored.parquet")


def _save_features(path: Path, shape: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path.with_suffix(".npy"), np.random.default_rng(0).normal(size=shape).astype(np.float32))


def save_shard(path: Path, numbers: range | list[int], captioned: bool = True) -> None:
    """An image shard of noise of 48 px, with captions and labels where wanted, the same for the same numbers."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number in numbers:
            buffer = io.BytesIO()
            _picture(number).save(buffer, "PNG")
            texts = {"caption": "a cat on the left", "foreground": "a cat", "background": "a wall", "label": number % 3}
            members = {"png": buffer.getvalue()} | ({"json": json.dumps(texts).encode()} if captioned else {})
            for suffix, content in members.items():
                entry = tarfile.TarInfo(f"{number}.{suffix}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
