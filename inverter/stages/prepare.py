"""`inverter prepare`: pictures through the target and the prior's encoder into pair shards and their manifest."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from inverter.config import PrepareConfig
from inverter.data.build import PairBuilder, check_config, check_same_pictures
from inverter.data.fingerprint import Fingerprint
from inverter.data.fit import fit_payloads
from inverter.data.pair_folders import PairFolders
from inverter.data.sender import open_sender
from inverter.data.sources.open import open_source
from inverter.data.unfinished import find_unfinished, folder_of
from inverter.data.write import write_shards
from inverter.priors.load import load_prior
from inverter.priors.memory import check_memory
from inverter.priors.variant import few_step_name, has_few_step
from inverter.run.device import pick_device, pick_precision, place
from inverter.run.lock import locked
from inverter.run.processes import joined, rank, wait_for_all


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
        if unfinished := find_unfinished(configs):
            write_pairs([config for config in configs if config.output in unfinished], unfinished)
        wait_for_all()  # for the manifests
    return [folder_of(config) for config in configs]


def drawing_prior(config: PrepareConfig) -> str:
    """Name of the prior that encodes and, where it is the source, draws: then its few-step variant if it has one."""
    drawn = config.source == "prior" and has_few_step(config.prior)
    return few_step_name(config.prior) if drawn else config.prior


def write_pairs(configs: Sequence[PrepareConfig], fingerprints: Mapping[str, Fingerprint]) -> None:
    """Write pairs and manifest of every config."""
    device = pick_device(configs[0].device)
    check_memory(configs[0].memory, device)
    config = replace(configs[0], precision=pick_precision(configs[0].precision, device))
    prior = place(load_prior(drawing_prior(config), config.memory), device)
    source = open_source(config, prior)
    target = open_sender(configs, source, device)
    folders = PairFolders(configs, fingerprints, source, prior)
    encode = prior.encode if config.latents else None
    specs = {config.output: source.spec} if target is None else None
    how = {"target": target, "encode": encode, "device": device, "specs": specs}
    builder = PairBuilder(folders.paths, source, config, prior.resolution, **how)  # type: ignore[arg-type]
    fit_payloads(builder, configs, fingerprints)
    folders.begin(builder.specs, config.precision)
    written, complete = write_shards(builder, config.max_time)
    if not rank():
        folders.finish(builder.specs, written, complete)
