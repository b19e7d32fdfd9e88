"""Stage ``list``: published priors and inverters."""

from __future__ import annotations

import logging
from pathlib import Path

from rich.console import Console
from rich.table import Table

from inverter.blackbox.ancestors import ancestors_of
from inverter.blackbox.published import Published, list_inverters
from inverter.config import ListConfig
from inverter.priors.index import INDEX, autoencoder_name, read_index
from inverter.priors.variant import CONTROL, CONTROL_FOLDER, SUFFIX, lies_in
from inverter.run.hub import checkpoints_root
from inverter.targets.shape import describe_shape

log = logging.getLogger(__name__)
WIDTH = 1000
"""More columns than the table takes: names come whole in a narrow terminal and in a pipe."""


def run(config: ListConfig) -> None:
    """Print what ``from_pretrained`` and ``load_prior`` find by name; what is damaged is logged.

    Raises:
        ValueError: The folder does not exist.
    """
    folder = Path(config.path) if config.path else checkpoints_root()
    if not folder.is_dir():
        raise ValueError(f"path is {str(folder)!r}, which is no folder; allowed: a folder of published ones")
    table = Table(title=f"published in {folder}", title_justify="left")
    for column in ("name", "kind", "target", "layer", "input px", "features", "prior", "pairs"):
        table.add_column(column)
    for index in sorted(folder.glob(f"[!.]*/{INDEX}")):
        try:
            autoencoder = autoencoder_name(index.parent, read_index(index.parent))
        except ValueError as error:
            log.warning("%s", error)
            continue
        suffixes = ["", *([SUFFIX] if lies_in(index.parent) else [])]
        suffixes += [CONTROL] if (index.parent / CONTROL_FOLDER).is_dir() else []
        for suffix in suffixes:
            table.add_row(f"{index.parent.name}{suffix}", "prior", autoencoder)
    for published in list_inverters(folder):
        target = published.target
        size, shape = str(target.input_size), describe_shape(target.feature_shape)
        row = (target.name, target.layer, size, shape, published.prior, pairs(published))
        table.add_row(published.folder.name, "inverter", *row)
    Console(width=WIDTH).print(table)


def pairs(published: Published) -> str:
    """How many pairs each of its trainings had, the first one first, such as ``40000, then 18000``."""
    try:
        before = ancestors_of(published)
    except ValueError as error:
        log.warning("%s", error)
        before = []
    trainings = [*reversed(before), published.training]
    return ", then ".join(str(each.get("pairs", "unknown")) for each in trainings)
