"""Stage ``push``: a published inverter, prior or judge to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from inverter.blackbox.published import WEIGHTS, read_published
from inverter.blackbox.push import push_inverter
from inverter.config import PushConfig
from inverter.priors.index import INDEX
from inverter.run.hub import checkpoints_root
from inverter.run.push import push_folder

JUDGE = "judge.json"


def run(config: PushConfig) -> None:
    """Upload the folder in one commit and print where it lies.

    Raises:
        ValueError: Nothing is published under the name, ``prior`` is given for what has none, or the hub takes nothing.
    """
    where = (checkpoints_root() / config.name, Path(config.name))
    folder = next((folder for folder in where for file in (WEIGHTS, INDEX, JUDGE) if (folder / file).is_file()), None)
    if folder is None:
        raise ValueError(f"name is {config.name!r}; allowed: a name in {checkpoints_root()}, or a published folder")
    how = {"private": config.private, "revision": config.revision}
    if (folder / WEIGHTS).is_file():
        url = push_inverter(read_published(str(folder)), config.repo, prior=config.prior, **how)  # type: ignore[arg-type]
    elif config.prior is not None:
        raise ValueError(f"prior is {config.prior!r}, but {folder} is no inverter; allowed: null")
    else:
        url = push_folder(folder, config.repo, **how)  # type: ignore[arg-type]
    Console(width=1000).print(url)
