"""What was run: the resolved config, the commit, the seed and the environment, saved beside every result."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from inverter.config import save_config
from inverter.processes import rank

PACKAGES = ("torch", "torchvision", "lightning", "diffusers", "timm", "torchmetrics")


def record_run(config: Any, output: Path, stage: str) -> None:
    """Write ``OUTPUT/STAGE.yaml`` (resolved config) and ``OUTPUT/STAGE.json`` (commit, seed, environment).

    Of several processes the first one does it.
    """
    if rank():
        return
    output.mkdir(parents=True, exist_ok=True)
    save_config(config, output / f"{stage}.yaml")
    record = {"stage": stage, "commit": commit(), "seed": getattr(config, "seed", None), "environment": environment()}
    write_text(output / f"{stage}.json", json.dumps(record, indent=2))


def commit() -> str | None:
    """Commit of the checkout that this package runs from; None outside git.

    Ends with ``+dirty`` where a tracked file outside docs/ differs from it.
    """
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():  # an installed package may lie inside somebody else's repository
        return None
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)docs"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+dirty" if status.stdout.strip() else "")


def environment() -> dict[str, Any]:
    """Versions, processor and threads."""
    import torch

    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "packages": versions,
        "processor": processor(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def processor() -> str:
    """Name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: a crash or a full disk leaves the old one or the new one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """As :func:`write_text`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
