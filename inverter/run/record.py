"""What was run: the resolved config, the commit, the seed and the environment, saved beside every result."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from inverter.config.parse import parse_json
from inverter.config.values import literal
from inverter.run.files import write_text
from inverter.run.processes import rank

PACKAGES = ("torch", "torchvision", "lightning", "diffusers", "timm", "torchmetrics")


def record_run(config: Any, output: Path, stage: str, *, resumed: bool = False, **more: Any) -> None:
    """Write ``OUTPUT/STAGE.yaml`` (resolved config) and ``OUTPUT/STAGE.json`` (commit, seed, environment).

    Of several processes the first one does it.

    Args:
        config: Schema, filled.
        output: Folder of the run.
        stage: Such as ``train``.
        resumed: Keep the record of the run that goes on, and add to its ``resumed`` with which commit and where it did.
        **more: Plain data for the record of a run that begins.
    """
    if rank():
        return
    output.mkdir(parents=True, exist_ok=True)
    path, here = output / f"{stage}.json", {"commit": commit(), "environment": environment()}
    record = {"stage": stage, "seed": getattr(config, "seed", None), **here, **more}
    if resumed and (begun := read_run(path)):
        record, parts = begun, [begun, *begun.get("resumed", [])]
        if any(parts[-1].get(key) != value for key, value in here.items()):
            record["resumed"] = [*parts[1:], here]
    save_config(config, output / f"{stage}.yaml")
    write_text(path, json.dumps(record, indent=2))


def commits(record: Mapping[str, Any]) -> str | None:
    """Commits of a recorded run and of those that went on with it, joined by commas; None where none is known."""
    hashes = (part.get("commit") for part in (record, *record.get("resumed", [])))
    return ", ".join(dict.fromkeys(filter(None, hashes))) or None


def read_run(path: Path) -> dict[str, Any] | None:
    """A JSON object that a run wrote, such as :func:`record_run` does; None where none can be read."""
    try:
        record = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def commit() -> str | None:
    """Commit of the checkout that this package runs from; None outside git.

    Ends with ``+dirty`` where a tracked file outside docs/ differs from it.
    """
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # an installed package may lie inside somebody else's repository
        return None
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
        changes = ["status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)docs"]
        status = subprocess.run(
            ["git", "--no-optional-locks", *changes],  # a killed one would leave the repository locked
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

    versions = {package: version for package in PACKAGES if (version := installed(package))}
    return {
        "python": platform.python_version(),
        "packages": versions,
        "processor": processor(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def installed(package: str) -> str | None:
    """Version of a package; None where it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """Name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def save_config(config: Any, path: Path) -> None:
    """Write a resolved config as YAML, whole or not at all."""
    write_text(path, OmegaConf.to_yaml(OmegaConf.create(literal(asdict(config)))))
