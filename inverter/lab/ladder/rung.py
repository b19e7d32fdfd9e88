"""One rung: its configs, and each step done where it is not done already."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from inverter.blackbox.config import TrainConfig
from inverter.blackbox.published import CONFIG
from inverter.blackbox.trained import load_trained_inverter
from inverter.config import DrawConfig, EvaluateConfig, PrepareConfig, PublishConfig
from inverter.data.manifest import MANIFEST, SPLITS, file_sha256
from inverter.evaluation.draws import best_draw, compare_draws
from inverter.evaluation.judges import load_judges
from inverter.lab.ladder.config import LadderConfig
from inverter.run.device import pick_device, pick_precision
from inverter.run.lock import InUse
from inverter.run.recipe import Recipe
from inverter.run.record import read_run
from inverter.run.steps import RunSteps
from inverter.stages import evaluate, prepare, publish, train
from inverter.targets.target import weights_sha256

log = logging.getLogger(__name__)
BEST = "checkpoints/best.ckpt"
LEFT = {"train": (BEST, "summary.json"), "draw": ()}
"""Files without which a step is to be done again."""
UNTRAINED = ("trainer.", "data.path", "data.num_workers", "data.pin_memory", "output", "resume")
"""Settings of a training that change no result."""
UNMEASURED = ("target.", "memory.", "inverter", "prior", "data", "batch_size", "output", "precision", "device")
"""Settings of an evaluation that change no figure, or are another machine's."""
WAIT = 10  # seconds until the folder of the published inverters is tried again


@dataclass(frozen=True)
class Rung:
    """The configs of a rung's stages.

    Args:
        name: Of the published inverter.
        after: Rung that has to be published first; None is none.
        prepare: By split.
        train: Its output is the run.
        evaluate: Without the way to draw, which is chosen on dev.
    """

    name: str
    after: str | None
    prepare: dict[str, PrepareConfig]
    train: TrainConfig
    evaluate: EvaluateConfig

    @property
    def run(self) -> Path:
        return Path(self.train.output)

    def complete(self, config: LadderConfig) -> None:
        """Do what is not done.

        Raises:
            ValueError: As the stages.
            SystemExit: The training was terminated; the same command goes on.
        """
        for split in SPLITS:
            prepare.run(self.prepare[split])
        if not self.trained():
            train.run(self.train)
            self.steps().finish("train")
        draw = self.choose(config)
        if not self.evaluated(draw):
            evaluate.run(replace(self.evaluate, draw=draw))
        done = self.published(Path(config.published))
        while not done:
            try:
                publish.run(PublishConfig(str(self.run), self.name, config.published, overwrite=config.overwrite))
                done = True
            except InUse as error:
                log.info("%s waits to be published: %s", self.name, error)
                time.sleep(WAIT)

    def steps(self, **draw: Any) -> RunSteps:
        """Which of its steps are done; ``draw`` is what the way to draw is chosen by."""
        return RunSteps(self.run, {"train": Recipe(self.train, UNTRAINED), "draw": Recipe(draw)}, LEFT)

    def trained(self) -> bool:
        """Whether a training with these settings and this budget has ended."""
        return self.steps().done("train")

    def choose(self, config: LadderConfig) -> DrawConfig:
        """The best way to draw on dev, kept in the run's ``steps.json`` with the figures of all."""
        dev = Path(self.train.data.path) / "dev"
        steps = self.steps(
            checkpoint_sha256=file_sha256(self.run / BEST),
            dev=file_sha256(dev / MANIFEST),
            draws=[asdict(draw) for draw in config.draws],
            pictures=config.num_dev,
            judges=config.judges,
            seed=config.seed,
        )
        if not steps.done("draw"):
            device = pick_device(self.evaluate.device)
            judges, absent = load_judges(config.judges, device=device)
            if absent:
                raise ValueError(f"judges: {absent[0].reason}; needed to choose how {self.name} draws")
            inverter = load_trained_inverter(str(self.run), memory=self.evaluate.memory).inverter
            sha256 = weights_sha256(inverter)
            compared = compare_draws(
                inverter.to(device).eval(),
                dev,
                config.draws,
                judges,
                limit=config.num_dev,
                batch_size=self.evaluate.batch_size,
                bf16=pick_precision(self.evaluate.precision, device) == "bf16",
                seed=config.seed,
            )
            steps.finish("draw", weights_sha256=sha256, compared=compared)
        draw = best_draw(steps.noted("draw", "compared"))
        log.info("%s draws best on dev with %s", self.name, {k: v for k, v in asdict(draw).items() if v is not None})
        return draw

    def evaluated(self, draw: DrawConfig) -> bool:
        """Whether the figures are of these weights, drawn so, with these settings."""
        measured = read_run(self.run / "evaluation" / "metrics.json")
        if not measured or measured.get("weights_sha256") != self.steps().noted("draw", "weights_sha256"):
            return False
        return not Recipe(replace(self.evaluate, draw=draw), UNMEASURED).changes(measured.get("config", {}))

    def published(self, folder: Path) -> bool:
        """Whether what is published has the figures of the run."""
        there, own = (read_run(path / "metrics.json") or {} for path in (folder / self.name, self.run / "evaluation"))
        keys = ("weights_sha256", "methods")
        return (folder / self.name / CONFIG).is_file() and all(there.get(key) == own.get(key) for key in keys)
