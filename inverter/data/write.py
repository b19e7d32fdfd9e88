"""Shard by shard through a source: what is there is kept, what is missing is written."""

from __future__ import annotations

import logging
import sys
import time
from itertools import count

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inverter.data.build import PairBuilder
from inverter.data.shards import ShardRecord, read_record

log = logging.getLogger(__name__)
COLUMNS = (TextColumn("pairs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def write_shards(builder: PairBuilder, max_time: int | None) -> tuple[dict[str, list[ShardRecord]], bool]:
    """Write the shards that are not there yet.

    Args:
        builder: Makes the pairs of each layer.
        max_time: Seconds after which no further shard is begun; None writes all.
    Returns:
        Every layer's shards in order, and whether the source ended before ``max_time`` did.
    """
    started = said = time.monotonic()
    written: dict[str, list[ShardRecord]] = {layer: [] for layer in builder.folders}
    done = 0
    with Progress(*COLUMNS, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("pairs", total=builder.source.num_images)
        for index in count():
            read = {layer: read_record(folder, index) for layer, folder in builder.folders.items()}
            found = {layer: record for layer, record in read.items() if record is not None}
            if missing := [layer for layer in builder.folders if layer not in found]:
                if (made := builder.write(index, missing)) is None:
                    break
                found |= made
            for layer, record in found.items():
                written[layer].append(record)
            done += next(iter(found.values())).info.count
            progress.update(task, completed=done)
            if progress.disable and (now := time.monotonic()) - said > 30:
                said = now
                log.info("%d of %s pairs, %.0f s", done, builder.source.num_images or "unknown", now - started)
            if max_time is not None and time.monotonic() - started > max_time:
                return written, builder.ended(done)
    return written, True
