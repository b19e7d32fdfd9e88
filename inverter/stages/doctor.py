"""Stage ``doctor``: what this machine has for the other stages, and what is missing."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from huggingface_hub import scan_cache_dir
from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE
from huggingface_hub.errors import CacheNotFound
from rich.console import Console
from rich.table import Table

from inverter import __version__
from inverter.blackbox.published import list_inverters
from inverter.config import DoctorConfig
from inverter.priors.index import INDEX
from inverter.run.device import BF16_INSTRUCTIONS, computes_bf16, pick_precision
from inverter.run.hub import checkpoints_root
from inverter.run.record import PACKAGES, commit, installed, processor
from inverter.targets.efficientnet_lite import PACKAGES as WEIGHTS

OPTIONAL = ("tensorboard", "datasets", "s3fs", "gradio")
GIGABYTE = 1_000_000_000
NEEDED = 2 * GIGABYTE
"""Bytes that the first command of the README takes, installation apart."""


def run(config: DoctorConfig) -> None:
    """Print versions, devices, precision, disk, and what lies in ``checkpoints/`` and in the hub's cache."""
    table = Table(title=f"inverter {__version__}", title_justify="left", show_header=False)
    for what, value in findings(Path(config.path)):
        table.add_row(what, value)
    Console(width=1000).print(table)


def findings(folder: Path) -> Iterator[tuple[str, str]]:
    """What is looked at, and what was found; what would stop a stage begins with ``missing`` or ``low``.

    Args:
        folder: On whose disk the stages would write.
    """
    yield "commit", commit() or "not a checkout"
    yield "python", f"{platform.python_version()}, {platform.platform()}"
    yield "packages", ", ".join(f"{name} {version}" for name in PACKAGES if (version := installed(name)))
    yield "optional packages", ", ".join(f"{name} {installed(name) or 'missing'}" for name in OPTIONAL)
    yield "processor", f"{processor()}; {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        yield f"cuda:{number}", f"{about.name}, {about.total_memory / GIGABYTE:.0f} GB"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    has = "has" if computes_bf16(device) else "lacks"
    instructions = "" if device == "cuda" else f" ({' or '.join(BF16_INSTRUCTIONS)})"
    yield "device=auto", device
    yield "precision=auto", f"{pick_precision('auto', device)}: the {device} {has} instructions for bf16{instructions}"
    free = shutil.disk_usage(folder).free
    yield "disk", f"{'low: ' if free < NEEDED else ''}{free / GIGABYTE:.1f} GB free in {folder.resolve()}"
    for name, (package, _) in WEIGHTS.items():
        yield f"weights of {name}", f"{package} {installed(package.replace('_', '-')) or 'missing'}"
    root = checkpoints_root()
    priors = sorted(path.parent.name for path in root.glob(f"[!.]*/{INDEX}"))
    yield "priors", f"{', '.join(priors) or 'missing'} in {root.resolve()}"
    inverters = [published.folder.name for published in list_inverters(root)] if root.is_dir() else []
    yield "inverters", f"{', '.join(inverters) or 'missing'} in {root.resolve()}"
    yield "hub", hub()


def hub() -> str:
    """What the hub's cache holds, and whether the hub is asked at all."""
    try:
        cache = scan_cache_dir()
        held = f"{len(cache.repos)} repositories, {cache.size_on_disk / GIGABYTE:.1f} GB"
    except CacheNotFound:
        held = "nothing"
    return f"{held} in {HF_HUB_CACHE}; {'offline (HF_HUB_OFFLINE)' if HF_HUB_OFFLINE else 'asked for ids'}"
