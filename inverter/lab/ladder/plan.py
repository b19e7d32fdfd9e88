"""The rungs of a ladder, every config read and checked before anything runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from inverter.blackbox.config import TrainConfig
from inverter.config import EvaluateConfig, PrepareConfig, load_words
from inverter.data.manifest import SPLITS
from inverter.lab.ladder.config import LadderConfig, RungConfig
from inverter.lab.ladder.rung import Rung
from inverter.publish.inverter import check_name
from inverter.run.processes import world_size


def plan_rungs(config: LadderConfig) -> list[Rung]:
    """All rungs, those too that ``only`` leaves to others.

    Raises:
        ValueError: A name is no plain one or given twice, ``only``, ``after`` or ``splits`` hold another one, a word
            does not fit its stage, several processes, a way to draw among the words, or a published inverter that
            would be lost.
    """
    names = [rung.name for rung in config.rungs]
    for number, rung in enumerate(config.rungs):
        check_name(rung.name, "rungs")
        if rung.name in names[:number]:
            raise ValueError(f"rungs: name {rung.name!r} occurs twice; allowed: each once")
        if rung.after is not None and rung.after not in names[:number]:
            before = ", ".join(names[:number]) or "null, for the first"
            raise ValueError(f"rungs: after={rung.after!r} of {rung.name}; allowed: a rung before it: {before}")
    for key, given, allowed in (("only", config.only, names), ("splits", config.splits, SPLITS)):
        if set(given or ()) - set(allowed):
            raise ValueError(f"{key} holds {sorted(set(given or ()) - set(allowed))}; allowed: {', '.join(allowed)}")
    if world_size() > 1:
        raise ValueError(f"{world_size()} processes; a ladder runs in one, and several ladders share an output")
    planned = [_plan(config, rung) for rung in config.rungs]
    for each in planned:
        _check(each, config)
    return planned


def _plan(config: LadderConfig, rung: RungConfig) -> Rung:
    pairs, run = f"{config.pairs}/{rung.name}", f"{config.output}/{rung.name}"
    prepare = [*config.prepare, *rung.prepare, f"output={pairs}", f"seed={config.seed}"]
    return Rung(
        name=rung.name,
        after=rung.after,
        prepare={
            split: load_words(PrepareConfig, [*prepare, *config.splits[split], f"split={split}"]) for split in SPLITS
        },
        train=load_words(TrainConfig, [*config.train, *rung.train, f"data.path={pairs}", f"output={run}"]),
        evaluate=load_words(EvaluateConfig, [*config.evaluate, *rung.evaluate, f"inverter={run}"]),
    )


def _check(rung: Rung, config: LadderConfig) -> None:
    trainer = rung.train.trainer
    for key in ("devices", "num_nodes"):
        if (value := getattr(trainer, key)) != 1:
            raise ValueError(f"rung {rung.name}: trainer.{key} is {value}; a ladder trains in one process, allowed: 1")
    if drawn := [key for key, value in asdict(rung.evaluate.draw).items() if value is not None]:
        raise ValueError(f"rung {rung.name}: evaluate holds draw.{drawn[0]}; allowed: in draws, the best is taken")
    if rung.evaluate.output is not None:
        raise ValueError(f"rung {rung.name}: evaluate holds output; allowed: null, the run's own folder")
    published = Path(config.published)
    if not config.overwrite and (published / rung.name).exists() and not rung.published(published):
        raise ValueError(
            f"rung {rung.name}: {published / rung.name} exists and is not of this ladder's run; set overwrite=true to "
            "replace it, or another published="
        )
