"""Which files of a folder are meant: not those that systems and programs hide in it."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path, PurePath

log = logging.getLogger(__name__)
HIDDEN = ("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found")
"""Folders that macOS, network storage, Windows and file systems make, in lower case."""


def is_hidden(path: PurePath) -> bool:
    """Whether a part of a relative path begins with a dot (``._a.jpg``, ``.thumbnails``) or is one of ``HIDDEN``."""
    return any((part.startswith(".") and part not in (".", "..")) or part.lower() in HIDDEN for part in path.parts)


def visible_files(folder: Path) -> list[Path]:
    """Files of a folder and its subfolders in the order of their paths, hidden ones left out.

    Links are followed; a folder that contains itself by a link is entered once.

    Raises:
        ValueError: A link leads nowhere.
    """
    files: list[Path] = []
    entered: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(root)) in entered:
            folders.clear()
            continue
        entered.add(real)
        inside = Path(root).relative_to(folder)
        folders[:] = sorted(name for name in folders if not is_hidden(PurePath(name)))
        for path in (Path(root, name) for name in names if not is_hidden(inside / name)):
            if path.is_file():
                files.append(path)
            elif path.is_symlink():
                raise ValueError(f"{path} is a link to {path.readlink()}, which is not there; mend or delete it")
    return sorted(files)


def extension(path: PurePath) -> str:
    """Ending of a name in lower case: ``.jpg`` of ``A.JPG``."""
    return path.suffix.lower()


def relative_stem(path: Path, folder: Path) -> str:
    """Path within a folder without its ending, in Unicode's composed form: macOS may have decomposed it."""
    return unicodedata.normalize("NFC", str(path.relative_to(folder).with_suffix("")))


def listed(path: Path, folder: Path) -> str:
    """Path within a folder and size of a file: whether it is the one that was there before."""
    return f"{path.relative_to(folder).as_posix()}:{path.stat().st_size}"


def count_kinds(files: Iterable[PurePath]) -> str:
    """How many files there are of each ending, in words: ``3 .tif, 1 .heic``."""
    counts = Counter(extension(path) or "without an ending" for path in files)
    return ", ".join(f"{number} {kind}" for kind, number in counts.most_common(5))


def warn_left_out(what: str, files: Iterable[Path], kinds: Collection[str], allowed: Collection[str]) -> None:
    """Log how many files of ``kinds``, which could be meant but are not read, there are."""
    if left := [path for path in files if extension(path) in kinds]:
        log.warning("%s: %s left out, %s first; allowed: %s", what, count_kinds(left), left[0], ", ".join(allowed))
