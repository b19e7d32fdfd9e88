"""A published folder to the Hugging Face hub, in one commit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from inverter.config.errors import one_line

SHARED = (".safetensors", ".json", ".yaml", ".txt", ".md", ".png")
"""Endings of what a published folder holds; nothing else is uploaded."""


def push_folder(
    folder: Path,
    repo_id: str,
    replaced: Mapping[str, bytes] | None = None,
    *,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
    commit_message: str | None = None,
) -> str:
    """Upload a folder's files to a model repository, which is made where it is not there.

    Args:
        folder: What is uploaded, hidden files and others than ``SHARED`` left out.
        repo_id: ``owner/name``.
        replaced: Files by name that are uploaded with another content than lies in the folder.
        private: Of a repository that is made; None is its owner's default.
        token: Of the hub; None is that of ``hf auth login`` or ``HF_TOKEN``.
        revision: Branch; None is ``main``.
        commit_message: None names the folder.
    Returns:
        URL of the commit.
    Raises:
        ValueError: No such name can be, there is no token, or the hub refuses or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo_id):
        raise ValueError(f"repo is {repo_id!r}; allowed: OWNER/NAME of the hub")
    token = token or get_token()
    if token is None:
        raise ValueError(f'repo={repo_id}: there is no token of the hub; run "hf auth login", or set HF_TOKEN')
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix in SHARED and path.is_file())
    given = {path.as_posix(): folder / path for path in files if not any(part[0] == "." for part in path.parts)}
    replaced = replaced or {}
    operations = [CommitOperationAdd(name, replaced.get(name, path)) for name, path in given.items()]
    api = HfApi(token=token)
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        message = commit_message or f"Upload {folder.name}"
        return str(api.create_commit(repo_id, operations, commit_message=message, revision=revision).commit_url)
    except (OfflineModeIsEnabled, HTTPError, OSError, ValueError) as error:
        reached = getattr(error, "response", None) is not None
        wrong = "the hub refuses it" if reached else "the hub cannot be reached"
        raise ValueError(f"repo={repo_id}: {wrong} ({type(error).__name__}: {one_line(error)})") from error
