"""One rung: its configs, and each step done where it is not done already."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inverter.blackbox.config import TrainConfig
from inverter.blackbox.published import CONFIG
from inverter.blackbox.trained import load_trained_inverter
from inverter.config import (
    DrawConfig,
    EvaluateConfig,
    PrepareConfig,
    PublishConfig,
    changed_keys,
    load_config,
    names_file,
    read_config,
)
from inverter.config.parse import parse_json
from inverter.data.manifest import SPLITS
from inverter.evaluation.draws import best_draw, compare_draws
from inverter.evaluation.judges import load_judges
from inverter.lab.ladder.config import LadderConfig, RungConfig
from inverter.run.device import pick_device, pick_precision
from inverter.run.files import write_text
from inverter.stages import evaluate, prepare, publish, train
from inverter.targets.target import weights_sha256

log = logging.getLogger(__name__)
DRAWS = "draws.json"


@dataclass(frozen=True)
class Rung:
    """The configs of a rung's stages.

    Args:
        name: Of the published inverter.
        prepare: By split.
        train: Its output is the run.
        evaluate: Without the way to draw, which is chosen on dev.
    """

    name: str
    prepare: dict[str, PrepareConfig]
    train: TrainConfig
    evaluate: EvaluateConfig

    @property
    def run(self) -> Path:
        return Path(self.train.output)

    def climb(self, config: LadderConfig) -> None:
        """Do what is not done.

        Raises:
            ValueError: As the stages.
            SystemExit: The training was terminated; the same command goes on.
        """
        for split in SPLITS:
            prepare.run(self.prepare[split])
        if not self.trained():
            train.run(self.train)
        draw = self.choose(config)
        if not self.evaluated(draw):
            evaluate.run(with_draw(self.evaluate, draw))
        if not self.published(Path(config.published)):
            publish.run(PublishConfig(run=str(self.run), name=self.name, output=config.published, overwrite=True))

    def trained(self) -> bool:
        """Whether a training with this budget has ended."""
        if not (self.run / "summary.json").is_file():
            return False
        return not changed_keys(read_config(TrainConfig, self.run / "train.yaml").optim, self.train.optim)

    def choose(self, config: LadderConfig) -> DrawConfig:
        """The best way to draw on dev, kept in ``RUN/draws.json`` with the figures of all."""
        found = load_trained_inverter(str(self.run), memory=self.evaluate.memory)
        asked = {
            "weights_sha256": weights_sha256(found.inverter),
            "draws": [asdict(draw) for draw in config.draws],
            "pictures": config.num_dev,
            "judges": config.judges,
            "seed": config.seed,
        }
        path = self.run / DRAWS
        noted = read_json(path)
        if {key: noted.get(key) for key in asked} != asked:
            device = pick_device(self.evaluate.device)
            judges, absent = load_judges(config.judges, device=device)
            if absent:
                raise ValueError(f"judges: {absent[0].reason}; needed to choose how {self.name} draws")
            compared = compare_draws(
                found.inverter.to(device).eval(),
                Path(self.train.data.path) / "dev",
                config.draws,
                judges,
                limit=config.num_dev,
                batch_size=self.evaluate.batch_size,
                bf16=pick_precision(self.evaluate.precision, device) == "bf16",
                seed=config.seed,
            )
            noted = {**asked, "compared": compared}
            write_text(path, json.dumps(noted, indent=1) + "\n")
        draw = best_draw(noted["compared"])
        log.info("%s draws best on dev with %s", self.name, {k: v for k, v in asdict(draw).items() if v is not None})
        return draw

    def evaluated(self, draw: DrawConfig) -> bool:
        """Whether the figures are of these weights, drawn so, with these settings."""
        measured = read_json(self.run / "evaluation" / "metrics.json")
        wanted = asdict(with_draw(self.evaluate, draw))
        settings = {key: measured.get("config", {}).get(key) for key in COMPARED}
        chosen = read_json(self.run / DRAWS)["weights_sha256"]
        return measured.get("weights_sha256") == chosen and settings == {key: wanted[key] for key in COMPARED}

    def published(self, folder: Path) -> bool:
        """Whether what is published has the figures of the run."""
        there, own = (read_json(path / "metrics.json") for path in (folder / self.name, self.run / "evaluation"))
        keys = ("weights_sha256", "methods")
        return (folder / self.name / CONFIG).is_file() and all(there.get(key) == own.get(key) for key in keys)


COMPARED = ("draw", "best_of", "search_rounds", "judges", "limit", "num_train", "seed")
"""Settings of an evaluation that change its figures."""


def plan_rungs(config: LadderConfig) -> list[Rung]:
    """Every rung's configs, read before anything runs.

    Raises:
        ValueError: A name is no plain one or given twice, ``only`` names another one, or a word does not fit its stage.
    """
    names = [rung.name for rung in config.rungs]
    for name in names:
        if not re.fullmatch(r"\w[\w.+-]*", name) or names.count(name) > 1:
            raise ValueError(f"rungs: name {name!r}; allowed: letters, digits, '_', '.', '+' and '-', each name once")
    if unknown := sorted(set(config.only or []) - set(names)):
        raise ValueError(f"only holds {unknown[0]!r}; allowed: {', '.join(names)}")
    if unknown := sorted(set(config.splits) - set(SPLITS)):
        raise ValueError(f"splits holds {unknown[0]!r}; allowed: {', '.join(SPLITS)}")
    return [_plan(config, rung) for rung in config.rungs if config.only is None or rung.name in config.only]


def _plan(config: LadderConfig, rung: RungConfig) -> Rung:
    pairs, run = f"{config.pairs}/{rung.name}", f"{config.output}/{rung.name}"
    own = [f"output={pairs}", f"seed={config.seed}"]
    return Rung(
        name=rung.name,
        prepare={
            split: _config(
                PrepareConfig, [*config.prepare, *config.splits[split], *rung.prepare, f"split={split}", *own]
            )
            for split in SPLITS
        },
        train=_config(TrainConfig, [*config.train, *rung.train, f"data.path={pairs}", f"output={run}"]),
        evaluate=_config(EvaluateConfig, [*config.evaluate, *rung.evaluate, f"inverter={run}"]),
    )


def _config(schema: type, words: list[str]) -> Any:
    files = [word for word in words if names_file(schema, word)]
    return load_config(schema, files, [word for word in words if word not in files])


def with_draw(config: EvaluateConfig, draw: DrawConfig) -> EvaluateConfig:
    """An evaluation that draws so."""
    return EvaluateConfig(**{**vars(config), "draw": draw})


def read_json(path: Path) -> dict[str, Any]:
    """What a file says; nothing where it is absent or damaged."""
    try:
        found = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
