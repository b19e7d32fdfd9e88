"""Stage ``train_judge``: the project's own judge, from labelled image shards."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

from inverter.data.image_module import ImageShardModule, RandomView, picture_folder, picture_loader
from inverter.data.picture_cache import PictureCache
from inverter.evaluation.intervals import bootstrap_mean
from inverter.evaluation.judge_networks.residual import JudgeSpec, ResidualJudge, save_judge
from inverter.lab.judge.card import command, render_judge_card
from inverter.lab.judge.config import JudgeConfig, read_classes
from inverter.lab.judge.module import JudgeModule, hits
from inverter.lab.prior.measures import interval
from inverter.run.checkpoints import load_weights
from inverter.run.files import write_text
from inverter.run.summary import save_summary
from inverter.run.training import TrainingRun, training_output

log = logging.getLogger(__name__)
STAGE = "train_judge"


def run(config: JudgeConfig) -> Path:
    """Train, then write the best state by dev accuracy to ``OUTPUT/judge``, with its accuracy on ``val``."""
    with training_output(config) as output:
        return train(config, output)


def train(config: JudgeConfig, output: Path) -> Path:
    """What ``run`` does in an output that is its own."""
    spec = JudgeSpec(
        config.resolution,
        tuple(config.widths),  # type: ignore[arg-type]  # pydantic counts them
        tuple(config.depths),  # type: ignore[arg-type]
        config.num_classes,
        read_classes(config.classes),
    )
    run = TrainingRun(config, STAGE)
    side = config.resolution
    data = ImageShardModule(config.data, side, output, RandomView(side, config.min_crop), config.seed)
    module = JudgeModule(config, spec)
    trainer = run.fit(module, data)
    folder = output / "judge"
    if not trainer.is_global_zero:
        return folder
    best = output / "checkpoints" / "best.ckpt"
    if best.is_file():
        load_weights(module, best)
    judge = module.judge.cpu().float().eval()
    summary = save_summary(trainer, config, STAGE)
    parameters = sum(parameter.numel() for parameter in judge.parameters())
    training = summary | {"parameters": parameters, "command": command(config)}
    accuracy = measure(judge, config, output)
    save_judge(judge, folder, training, accuracy)
    write_text(folder / "README.md", render_judge_card("judge", asdict(spec), accuracy, training))
    log.info("judge in %s: top-1 %.3f on %s", folder, accuracy["top1"]["mean"], accuracy["split"])
    return folder


def measure(judge: ResidualJudge, config: JudgeConfig, output: Path) -> dict:
    """Top-1 and top-5 on ``val``, or on ``dev`` where none is given, with intervals."""
    pictures = PictureCache(config.val or config.data.dev, config.resolution, picture_folder(config.data, output))
    correct = hits(judge, picture_loader(pictures, 100)).double()
    top1, top5 = (interval(bootstrap_mean(column, share=True)) for column in correct.T)
    return {"split": "val" if config.val else "dev", "num_pictures": len(correct), "top1": top1, "top5": top5}
