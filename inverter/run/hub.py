"""Where published priors and inverters lie: the project's ``checkpoints/``, a local folder, or the Hugging Face hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from inverter.config import HubConfig, load_config

_OUTSIDE = (
    "there is no checkpoints/ here, and hub.yaml names no owner; allowed: a folder, OWNER/NAME of the hub, or a "
    "hub.yaml here with owner: OWNER"
)


def checkpoints_root() -> Path:
    """Folder of published priors and inverters: of the checkout, else of the working directory."""
    checkout = Path(__file__).parents[2] / "checkpoints"
    return checkout if checkout.is_dir() else Path("checkpoints")


def find_prior(name: str, *, fetch: bool = True) -> Path:
    """Folder of a prior: see :func:`find_published`."""
    return find_published(name, marker="model_index.json", kind="prior", fetch=fetch)


def find_published(name: str, marker: str, kind: str, *, fetch: bool = True) -> Path:
    """Look a name up in ``checkpoints/``, then as a local folder, then on the hub.

    On the hub a name without an owner is that of the owner in ``hub.yaml``, the user's own or the project's.

    Args:
        name: Folder name under ``checkpoints/``, path, or hub id ``owner/name``, also ``owner/name@revision``.
        marker: File that such a folder must hold.
        kind: What it is, for messages.
        fetch: False where a file that others wrote gave the name: of the hub, what was fetched before is all there is.
    Returns:
        The folder.
    Raises:
        ValueError: Nothing found; the message lists the known names.
    """
    for folder in (checkpoints_root() / name, Path(os.path.expanduser(name))):  # noqa: PTH111 (~NAME may be no user)
        if (folder / marker).is_file():
            return folder
    if Path(name).is_file():
        hint = ", as diffusers' from_single_file(FILE).save_pretrained(FOLDER) writes" if kind == "prior" else ""
        raise ValueError(f"{kind} {name!r} is a file; allowed: a folder with {marker}{hint}")
    known = sorted(path.parent.name for path in checkpoints_root().glob(f"*/{marker}"))
    message = f"{kind} {name!r} not found: neither among {known} in {checkpoints_root()} nor a folder with {marker}"
    hub = hub_id(name) or own_hub_id(name)
    if not hub or Path(name).exists():
        raise ValueError(message if checkpoints_root().is_dir() else f"{message}; {_OUTSIDE}")
    fetch = fetch or hub_id(name) is None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    # safetensors only: nothing that would have to be unpickled; of a prior the parts alone, in full precision
    weights = "*/*.safetensors" if kind == "prior" else "*.safetensors"
    try:
        folder = Path(
            snapshot_download(
                hub[0],
                revision=hub[1],
                local_files_only=not fetch,
                allow_patterns=["*.json", "*.txt", "*.yaml", weights, "README.md"],
                ignore_patterns=["*.fp16.*", "*.non_ema.*", "safety_checker/*"],
            )
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        if not fetch:
            raise ValueError(
                f"{message}; it is not fetched from the hub because a file names it: give prior={name} to have it "
                f"fetched, or {name}@REVISION, or where it lies"
            ) from error
        raise ValueError(
            f"{message}, and the hub did not give it ({type(error).__name__}): {_reason(hub[0], error)}"
        ) from error
    if not (folder / marker).is_file():
        raise ValueError(f"{kind} {name!r} from the hub has no {marker}")
    return folder


def hub_id(name: str) -> tuple[str, str | None] | None:
    """``owner/name`` and revision of a hub id; None where a name is none."""
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:@([\w.-]+))?", name)
    return (match[1], match[2]) if match else None


def own_hub_id(name: str) -> tuple[str, str | None] | None:
    """Hub id and revision of a published name, by ``hub.yaml``; None where that names no owner."""
    hub = load_config(HubConfig, ["hub.yaml"])
    return (f"{hub.owner}/{name}", hub.revision) if hub.owner and re.fullmatch(r"\w[\w.-]*", name) else None


def _reason(repo_id: str, error: Exception) -> str:
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
        return f"it has no {repo_id}, or not of this revision, or you may not see it (hf auth login)"
    return f"it cannot be reached, and {repo_id} was not fetched before"
