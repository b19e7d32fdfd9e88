"""Shard by shard through a source: what is there is kept, what is missing is written."""

from __future__ import annotations

import logging
import sys
import time
from itertools import count, takewhile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inverter.data.build import PairBuilder
from inverter.data.shards import ShardRecord, count_pairs, read_record
from inverter.run.processes import gather, rank, world_size
from inverter.run.progress import time_left

log = logging.getLogger(__name__)
COLUMNS = (TextColumn("pairs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def write_shards(builder: PairBuilder, max_time: int | None) -> tuple[dict[str, list[ShardRecord]], bool]:
    """Write the shards that are not there yet; several processes take them in turn.

    Args:
        builder: Makes the pairs of each target.
        max_time: Seconds after which no further shard is begun; None writes all.
    Returns:
        Every target's shards in order, up to the first that is missing, and whether the source ended before
        ``max_time`` did; the same for every process, when all are done.
    """
    ended = all(gather([_write_share(builder, max_time)]))
    written = {name: _read_records(folder) for name, folder in builder.folders.items()}
    return written, ended or builder.ended(sum(record.info.count for record in next(iter(written.values()))))


def _write_share(builder: PairBuilder, max_time: int | None) -> bool:
    """Write this process's shards; whether the source ended before ``max_time`` did."""
    started = logged = time.monotonic()
    total, folder = builder.source.num_images, next(iter(builder.folders.values()))
    alone, done, kept = world_size() == 1, 0, count_pairs(folder)  # of a run before
    with Progress(*COLUMNS, console=Console(stderr=True), disable=rank() > 0 or not sys.stderr.isatty()) as progress:
        task = progress.add_task("pairs", total=total)
        for index in count(rank(), world_size()):
            records = {name: read_record(folder, index) for name, folder in builder.folders.items()}
            if missing := [name for name, record in records.items() if record is None]:
                if (made := builder.write(index, missing)) is None:
                    break
                records |= made
            done += next(record.info.count for record in records.values() if record is not None)
            if (now := time.monotonic()) - logged > 30:
                logged = now
                done = done if alone else count_pairs(folder)  # the others' shards too
                if progress.disable and not rank():
                    left = time_left(now - started, (done - kept) / (total - kept)) if total and total > kept else ""
                    log.info("%d of %s pairs, %.0f s%s", done, total or "unknown", now - started, left)
            progress.update(task, completed=done)
            if max_time is not None and time.monotonic() - started > max_time:
                return False
    return True


def _read_records(folder: Path) -> list[ShardRecord]:
    records = (read_record(folder, index) for index in count())
    return list(takewhile(lambda record: record is not None, records))  # type: ignore[arg-type]
