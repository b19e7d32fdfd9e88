"""Stage ``list``: published priors and inverters."""

from __future__ import annotations

import logging
from pathlib import Path

from rich.console import Console
from rich.table import Table

from inverter.config import ListConfig
from inverter.priors.index import INDEX, autoencoder_name, read_index
from inverter.priors.location import checkpoints_root
from inverter.published import list_inverters

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
        raise ValueError(f"path is {str(folder)!r}, which is no folder")
    table = Table(title=f"published in {folder}", title_justify="left")
    for column in ("name", "kind", "target", "layer", "features", "prior", "pairs"):
        table.add_column(column)
    for index in sorted(folder.glob(f"[!.]*/{INDEX}")):
        try:
            autoencoder = autoencoder_name(index.parent, read_index(index.parent))
        except ValueError as error:
            log.warning("%s", error)
            continue
        table.add_row(index.parent.name, "prior", autoencoder, "", "", "", "")
    for published in list_inverters(folder):
        shape = " x ".join(map(str, published.target.feature_shape))
        pairs = str(published.training.get("pairs", ""))
        name = published.folder.name
        table.add_row(name, "inverter", published.target.name, published.target.layer, shape, published.prior, pairs)
    Console(width=WIDTH).print(table)
