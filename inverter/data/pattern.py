"""Files that a path names: those of that very name, before anything in it is taken for a pattern."""

from __future__ import annotations

import glob
from pathlib import Path


def split_folder(pattern: str) -> tuple[str, str]:
    """Leading folders of a path that exist under their very names, with the slash behind them, and the rest."""
    folder, rest = "", pattern
    while "/" in rest:
        name, _, after = rest.partition("/")
        if not Path(f"{folder}{name}/").is_dir():
            break
        folder, rest = f"{folder}{name}/", after
    return folder, rest


def find_files(pattern: str) -> list[str]:
    """The file of that very name, else those that a glob matches, in order; folders that exist are no patterns."""
    if Path(pattern).is_file():
        return [pattern]
    folder, rest = split_folder(pattern)
    return sorted(glob.glob(f"{glob.escape(folder)}{rest}", recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
