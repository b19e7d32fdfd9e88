"""`inverter prepare`: pictures through the target and the prior's encoder into pair shards and their manifest."""

import logging
import sys
import time
from itertools import count
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inverter.config import PrepareConfig
from inverter.data.build import Fingerprint, PairBuilder, check_config, open_source
from inverter.data.captured import CapturedSource
from inverter.data.manifest import Manifest
from inverter.data.shards import ShardRecord, read_record
from inverter.data.summary import summarise
from inverter.priors.prior import load_prior
from inverter.targets import load_target

log = logging.getLogger(__name__)
COLUMNS = (TextColumn("pairs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def run(config: PrepareConfig) -> Path:
    """Write the pairs of one split to ``output/split``, which is returned; shards that a stopped run finished are kept.

    Raises:
        ValueError: A value is not allowed, or the folder holds pairs of another recipe.
    """
    check_config(config)
    folder = Path(config.output) / config.split
    fingerprint = Fingerprint(folder, config)
    if fingerprint.complete:
        log.info("%s is finished: %d pairs", folder, Manifest.load(folder).num_pairs)
        return folder
    prior = load_prior(config.prior).to(device := "cuda" if torch.cuda.is_available() else "cpu")
    prior.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    source, target = open_source(config, prior), None
    if isinstance(source, CapturedSource):
        spec = source.spec
    else:
        t = config.target
        target = load_target(t.name, t.layer, input_size=t.input_size, payload=t.payload, pretrained=t.pretrained)
        target, spec = target.to(device).to(memory_format=torch.channels_last), target.spec
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"prior_sha256": prior.weights_sha256} if config.source == "prior" else {}
    fingerprint.begin({"target": spec.to_dict(), "autoencoder_sha256": prior.autoencoder_sha256, **drawn})
    encode = prior.encode if config.latents else None
    builder = PairBuilder(folder, source, config, prior.resolution, target=target, encode=encode, device=device)
    records, complete = write_shards(builder, config.max_time)
    (manifest := summarise(records, config, spec, prior)).save(folder)
    fingerprint.finish(None if complete else config.max_time)
    if not complete:
        log.warning("max_time=%s is over; a larger one, or null, goes on from here", config.max_time)
    if complete and config.pairs is not None and manifest.num_pairs < config.pairs:
        log.warning("pairs=%d, but source=%s has %d pictures", config.pairs, config.source, manifest.num_pairs)
    sizes = (manifest.num_pairs, manifest.num_sources, sum(record.num_bytes for record in records))
    log.info("%s: %d pairs of %d sources, %d bytes", folder, *sizes)
    return folder


def write_shards(builder: PairBuilder, max_time: int | None) -> tuple[list[ShardRecord], bool]:
    """Write the shards that are not there yet; False when ``max_time`` ended before the source did."""
    started = said = time.monotonic()
    records: list[ShardRecord] = []
    with Progress(*COLUMNS, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("pairs", total=builder.source.num_images)
        for index in count():
            if (record := read_record(builder.folder, index) or builder.write(index)) is None:
                break
            records.append(record)
            progress.advance(task, record.info.count)
            if progress.disable and (now := time.monotonic()) - said > 30:
                said, done = now, sum(record.info.count for record in records)
                log.info("%d of %s pairs, %.0f s", done, builder.source.num_images or "unknown", now - started)
            if max_time is not None and time.monotonic() - started > max_time:
                return records, builder.ended(sum(record.info.count for record in records))
    return records, True
