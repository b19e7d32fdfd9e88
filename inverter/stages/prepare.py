"""`inverter prepare`: pictures through the target and the prior's encoder into pair shards and their manifest."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from inverter.config import PrepareConfig
from inverter.config.errors import one_line
from inverter.data.build import PairBuilder, check_config, check_same_pictures
from inverter.data.captured_target import CapturedTarget
from inverter.data.fingerprint import Fingerprint
from inverter.data.fit import fitted_payloads
from inverter.data.manifest import MANIFEST, SPLITS, Manifest
from inverter.data.origins import check_disjoint
from inverter.data.shards import drop_partial_shard
from inverter.data.size import check_space, pair_bytes
from inverter.data.sources.open import open_source
from inverter.data.summary import summarise
from inverter.data.write import write_shards
from inverter.payloads.codebooks import save_codebooks
from inverter.priors.load import load_prior
from inverter.priors.memory import check_memory
from inverter.priors.variant import few_step_name, has_few_step
from inverter.run.device import pick_device, pick_precision, place
from inverter.run.lock import locked
from inverter.run.processes import joined, rank, wait_for_all
from inverter.targets import load_targets
from inverter.targets.spec import TargetSpec
from inverter.targets.target import MultiTarget

log = logging.getLogger(__name__)


def run(config: PrepareConfig) -> Path:
    """Write the pairs of one split to ``output/split``, which is returned; shards that a stopped run finished are kept.

    Raises:
        ValueError: A value is not allowed, the folder holds pairs of another recipe, or another run is writing to it.
    """
    return prepare_layers([config])[0]


def prepare_layers(configs: Sequence[PrepareConfig]) -> list[Path]:
    """Do what ``run`` does for configs that differ in layer and output only; each picture is drawn and encoded once.

    Processes that torchrun started share the shards; any number of them may go on with what others left.

    Raises:
        ValueError: As ``run``, or the configs differ in more.
    """
    check_same_pictures(configs)
    for config in configs:
        check_config(config)
    with joined(), ExitStack() as locks:
        for config in configs:
            locks.enter_context(locked(folder_of(config)))
        write_missing(configs)
        wait_for_all()  # for the manifests
    return [folder_of(config) for config in configs]


def write_missing(configs: Sequence[PrepareConfig]) -> None:
    """Write the pairs and manifests of every config whose folder is not finished."""
    todo: dict[str, Fingerprint] = {}  # by layer
    for config in configs:
        fingerprint = Fingerprint(folder_of(config), config)
        if fingerprint.complete:
            follow_source(config, fingerprint)
        if fingerprint.complete:
            log.info("%s is finished: %d pairs", folder_of(config), Manifest.load(folder_of(config)).num_pairs)
        else:
            todo[config.target.layer] = fingerprint
    write_pairs([config for config in configs if config.target.layer in todo], todo)


def follow_source(config: PrepareConfig, fingerprint: Fingerprint) -> None:
    """Look whether the source of a finished folder holds more than it did; one that is gone is no error.

    Raises:
        ValueError: It holds other files than it did.
    """
    if config.source in ("prior", "photos"):
        return
    try:
        source = open_source(config)
        listing = source.listing()
    except (ValueError, OSError) as error:
        log.warning("%s is not compared with its source: %s", folder_of(config), one_line(error))
        return
    num_pairs = Manifest.load(folder_of(config)).num_pairs
    if listing is not None and fingerprint.listed:
        fingerprint.follow(listing)
    elif source.num_images not in (None, num_pairs):
        counts = (folder_of(config), num_pairs, config.source, source.num_images)
        log.warning("%s holds %d pairs, but source=%s has %d pictures now; choose another output for those", *counts)


def folder_of(config: PrepareConfig) -> Path:
    return Path(config.output) / config.split


def drawing_prior(config: PrepareConfig) -> str:
    """Name of the prior that encodes and, where it is the source, draws: then its few-step variant if it has one."""
    drawn = config.source == "prior" and has_few_step(config.prior)
    return few_step_name(config.prior) if drawn else config.prior


def write_pairs(configs: Sequence[PrepareConfig], fingerprints: Mapping[str, Fingerprint]) -> None:
    """Write pairs and manifest of every config, if any."""
    if not configs:
        return
    device = pick_device(configs[0].device)
    target: CapturedTarget | MultiTarget | None = None
    check_memory(configs[0].memory, device)
    config = replace(configs[0], precision=pick_precision(configs[0].precision, device))
    prior = place(load_prior(drawing_prior(config), config.memory), device)
    source = open_source(config, prior)
    if source.captured is not None:
        specs: Mapping[str, TargetSpec] = {config.target.layer: source.spec}
        if config.target.payload != "identity":
            target = CapturedTarget(source.spec, config.target.layer, config.target.payload)
            specs = target.specs
    else:
        t = config.target
        layers = [c.target.layer for c in configs]
        options = {"input_size": t.input_size, "payload": t.payload, "pretrained": t.pretrained, "defence": t.defence}
        loaded = load_targets(t.name, layers, **options)  # type: ignore[arg-type]
        target, specs = place(loaded, device), loaded.specs
    folders = {c.target.layer: folder_of(c) for c in configs}
    if target is not None and target.fits:
        sample = PairBuilder(folders, source, config, prior.resolution, target=target, device=device)
        target.use_payloads(fitted_payloads(configs, sample, fingerprints))
        specs = target.specs
    drawn = {"prior_sha256": prior.weights_sha256} if config.source == "prior" else {}
    listing = source.listing()
    for layer, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        if listing is not None:
            fingerprints[layer].follow(listing)
    if not rank():
        for layer, folder in folders.items():
            drop_partial_shard(folder, config.shard_size if fingerprints[layer].grown else 0)
    wait_for_all()
    stored = (config.feature_dtype, prior.resolution, prior.latent_shape if config.latents else None)
    sizes = {folder: pair_bytes(specs[layer].tensor_shape, *stored) for layer, folder in folders.items()}
    check_space(sizes, source.num_images)
    for layer in folders:
        made_by = {"target": specs[layer].to_dict(), "autoencoder_sha256": prior.autoencoder_sha256, **drawn}
        fingerprints[layer].begin(made_by, config.precision, listing)
        if not rank():
            save_codebooks(folders[layer], specs[layer].payload)
    encode = prior.encode if config.latents else None
    networks = {"target": target, "encode": encode, "device": device, "specs": specs}
    builder = PairBuilder(folders, source, config, prior.resolution, **networks)  # type: ignore[arg-type]
    written, complete = write_shards(builder, config.max_time)
    if rank():
        return
    for c in configs:
        layer, records = c.target.layer, written[c.target.layer]
        manifest, origins = summarise(records, c, specs[layer], prior, fingerprints[layer].precision, source.captured)
        if origins is not None:
            origins.save(folders[layer])
        manifest.save(folders[layer])
        fingerprints[layer].finish(None if complete else c.max_time)
        counts = (manifest.num_pairs, manifest.num_sources, sum(record.num_bytes for record in records))
        log.info("%s: %d pairs of %d sources, %d bytes", folders[layer], *counts)
        warn_of_shared(folders[layer])
    if not complete:
        log.warning("max_time=%s is over; a larger one, or null, goes on from here", config.max_time)
    if complete and config.pairs is not None and manifest.num_pairs < config.pairs:
        log.warning("pairs=%d, but source=%s has %d pictures", config.pairs, config.source, manifest.num_pairs)


def warn_of_shared(folder: Path) -> None:
    """Log what a split has in common with those beside it: `train` and `evaluate` will refuse them."""
    for split in SPLITS:
        if split != folder.name and (folder.with_name(split) / MANIFEST).is_file():
            try:
                check_disjoint(folder, folder.with_name(split))
            except ValueError as error:
                log.warning("%s", one_line(error))
