"""The picture of the README, cut from the previews of three published inverters: `python docs/hooks/depths.py`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "depths.png"
NAMES = ("blocks.2", "blocks.4", "blocks.6")
SHOWN, SIDE, GAP = 4, 66, 12  # pictures of each; pixels of one with its border, and between two inverters


def depths() -> Image.Image:
    """The first pictures of each preview side by side: originals, ``mean``, ``sample``."""
    width = SHOWN * SIDE + 2
    previews = [Image.open(ROOT / "checkpoints" / name / "preview.png").convert("RGB") for name in NAMES]
    joined = Image.new("RGB", (len(NAMES) * (width + GAP) - GAP, previews[0].height), "white")
    for number, preview in enumerate(previews):
        joined.paste(preview.crop((0, 0, width, preview.height)), (number * (width + GAP), 0))
    return joined


if __name__ == "__main__":
    depths().save(PICTURE, optimize=True)
