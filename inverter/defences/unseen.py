"""What is attacked and measured holds no picture that a defence was trained on."""

from __future__ import annotations

from pathlib import Path

from inverter.data.manifest import Manifest
from inverter.data.origins import check_unshared, load_origins
from inverter.targets.defence import read_defence


def check_unseen(defence: str, pairs: Path) -> bool:
    """Compare the pictures that a defence was trained on with those of a split.

    Where one of them has no origins, that they cannot be compared is logged.

    Args:
        defence: Folder that `inverter defend` wrote.
        pairs: Folder of the split.
    Returns:
        Whether they could be compared.
    Raises:
        ValueError: They have a picture, photo or clip in common, which would flatter the defence.
    """
    trained_on = load_origins(defence, read_defence(defence).origins_sha256)
    measured = load_origins(pairs, Manifest.load(pairs).origins_sha256)
    return check_unshared(f"target.defence={defence}", trained_on, pairs, measured)
