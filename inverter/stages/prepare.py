"""`inverter prepare`: pictures through the target and the prior's encoder into pair shards and their manifest."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, replace
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
from inverter.payloads import make_payload
from inverter.payloads.codebooks import save_codebooks
from inverter.priors.load import load_prior
from inverter.priors.memory import check_memory
from inverter.priors.variant import few_step_name, has_few_step
from inverter.run.device import pick_device, pick_precision, place
from inverter.run.lock import locked
from inverter.run.processes import joined, rank, wait_for_all
from inverter.targets import load_targets
from inverter.targets.bundle import TargetBundle
from inverter.targets.defence import find_mark
from inverter.targets.load import load_options
from inverter.targets.spec import TargetSpec

log = logging.getLogger(__name__)


def run(config: PrepareConfig) -> Path:
    """Write the pairs of one split to ``output/split``, which is returned; shards that a stopped run finished are kept.

    Raises:
        ValueError: A value is not allowed, the folder holds pairs of another recipe, or another run is writing to it.
    """
    return prepare_together([config])[0]


def prepare_together(configs: Sequence[PrepareConfig]) -> list[Path]:
    """Do what ``run`` does for configs that differ in target and output only; each picture is drawn and encoded once.

    Layers and payloads of one network are made in one pass through it.

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
    todo: dict[str, Fingerprint] = {}  # by output
    for config in configs:
        fingerprint = Fingerprint(folder_of(config), config)
        if fingerprint.complete:
            check_defence(config)
            follow_source(config, fingerprint)
        if fingerprint.complete:
            log.info("%s is finished: %d pairs", folder_of(config), Manifest.load(folder_of(config)).num_pairs)
        else:
            todo[config.output] = fingerprint
    write_pairs([config for config in configs if config.output in todo], todo)


def check_defence(config: PrepareConfig) -> None:
    """Raise ValueError where a finished folder was made with another defence than ``target.defence`` holds now."""
    made = Manifest.load(folder_of(config)).target.defence
    if config.target.defence is not None and (now := find_mark(config.target.defence)) != made:
        raise ValueError(
            f"target.defence={config.target.defence!r} is {now}, but {folder_of(config)} was made with "
            f"{made or 'none'}; choose another output or delete it"
        )


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
    target: CapturedTarget | TargetBundle | None = None
    check_memory(configs[0].memory, device)
    config = replace(configs[0], precision=pick_precision(configs[0].precision, device))
    prior = place(load_prior(drawing_prior(config), config.memory), device)
    source = open_source(config, prior)
    if source.captured is not None:
        specs: Mapping[str, TargetSpec] = {config.output: source.spec}
        if config.target.payload != "identity":
            target = CapturedTarget(source.spec, config.output, config.target.payload)
            specs = target.specs
    else:
        target = place(load_bundle(configs), device)
        specs = target.specs
    folders = {c.output: folder_of(c) for c in configs}
    if target is not None and target.fits:
        sample = PairBuilder(folders, source, config, prior.resolution, target=target, device=device)
        fitting = [c for c in configs if make_payload(c.target.payload).fits]
        target.use_payloads(fitted_payloads(fitting, sample, fingerprints))
        specs = target.specs
    drawn = {"prior_sha256": prior.weights_sha256} if config.source == "prior" else {}
    listing = source.listing()
    for output, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        if listing is not None:
            fingerprints[output].follow(listing)
    if not rank():
        for output, folder in folders.items():
            drop_partial_shard(folder, config.shard_size if fingerprints[output].grown else 0)
    wait_for_all()
    stored = (config.feature_dtype, prior.resolution, prior.latent_shape if config.latents else None)
    sizes = {folder: pair_bytes(specs[output].tensor_shape, *stored) for output, folder in folders.items()}
    check_space(sizes, source.num_images)
    for output in folders:
        made_by = {"target": specs[output].to_dict(), "autoencoder_sha256": prior.autoencoder_sha256, **drawn}
        fingerprints[output].begin(made_by, config.precision, listing)
        if not rank():
            save_codebooks(folders[output], specs[output].payload)
    encode = prior.encode if config.latents else None
    networks = {"target": target, "encode": encode, "device": device, "specs": specs}
    builder = PairBuilder(folders, source, config, prior.resolution, **networks)  # type: ignore[arg-type]
    written, complete = write_shards(builder, config.max_time)
    if rank():
        return
    for c in configs:
        folder, records, precision = folders[c.output], written[c.output], fingerprints[c.output].precision
        manifest, origins = summarise(records, c, specs[c.output], prior, precision, source.captured)
        if origins is not None:
            origins.save(folder)
        manifest.save(folder)
        fingerprints[c.output].finish(None if complete else c.max_time)
        counts = (manifest.num_pairs, manifest.num_sources, sum(record.num_bytes for record in records))
        log.info("%s: %d pairs of %d sources, %d bytes", folder, *counts)
        warn_of_shared(folder)
    if not complete:
        log.warning("max_time=%s is over; a larger one, or null, goes on from here", config.max_time)
    if complete and config.pairs is not None and manifest.num_pairs < config.pairs:
        log.warning("pairs=%d, but source=%s has %d pictures", config.pairs, config.source, manifest.num_pairs)


def load_bundle(configs: Sequence[PrepareConfig]) -> TargetBundle:
    """Targets of some configs, each under its output."""
    alike: dict[tuple[object, ...], list[PrepareConfig]] = {}
    for config in configs:
        alike.setdefault(astuple(replace(config.target, layer="")), []).append(config)
    members = []
    for group in alike.values():
        t, names = group[0].target, {config.target.layer: config.output for config in group}
        options = load_options(t)
        if group[0].mean is not None or group[0].std is not None:
            options |= {"mean": group[0].mean, "std": group[0].std}
        members.append((load_targets(t.name, list(names), **options), names))
    return TargetBundle(members)


def warn_of_shared(folder: Path) -> None:
    """Log what a split has in common with those beside it: `train` and `evaluate` will refuse them."""
    for split in SPLITS:
        if split != folder.name and (folder.with_name(split) / MANIFEST).is_file():
            try:
                check_disjoint(folder, folder.with_name(split))
            except ValueError as error:
                log.warning("%s", one_line(error))
