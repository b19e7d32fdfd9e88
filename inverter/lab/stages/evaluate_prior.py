"""Stage ``evaluate_prior``: what a prior keeps and draws, in numbers, samples and a model card."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from jinja2 import UndefinedError
from torchvision.utils import make_grid, save_image

from inverter.config.errors import one_line
from inverter.evaluation.judges import load_judges
from inverter.lab.prior.card import render_prior_card
from inverter.lab.prior.config import EvaluatePriorConfig
from inverter.lab.prior.description import describe_prior
from inverter.lab.prior.plan import PriorPlan, choose_settings
from inverter.lab.prior.record import ADVICE, FILE, PriorRecord
from inverter.priors.load import load_prior
from inverter.run.device import pick_device, pick_precision
from inverter.run.files import write_text
from inverter.run.lock import locked
from inverter.run.record import record_run

log = logging.getLogger(__name__)
STAGE = "evaluate_prior"
GRID = 32  # samples in the card


def run(config: EvaluatePriorConfig) -> Path:
    """Measure; write ``prior_metrics.json`` part by part, then ``samples.png`` and the model card ``README.md``.

    Raises:
        ValueError: The prior or the shards cannot be found, or the output holds the measurement of another prior.
    """
    with locked(Path(config.output)):
        return measure(config, Path(config.output))


def measure(config: EvaluatePriorConfig, output: Path) -> Path:
    """What ``run`` does in an output that is its own."""
    device = pick_device(config.device)
    config = dataclasses.replace(config, precision=pick_precision(config.precision, device))
    prior = load_prior(config.prior).to(device)
    settings = choose_settings(config, prior.few_step)
    judges, absent = load_judges(config.judges, device=device)
    for missing in absent:
        log.warning("%s is left out: %s", missing.metric, missing.reason)
    record_run(config, output, STAGE)
    description = describe_prior(config, settings, prior, [judge.name for judge in judges])
    record = PriorRecord(output, description, config.resume)
    plan = PriorPlan(config, settings, prior, judges, output)
    plan.run(record)
    captions = [sample["caption"] for sample in plan.val.samples[:GRID]]
    samples = plan.sampler.samples(captions, settings.num_inference_steps, settings.guidance_scale)
    save_image(make_grid(samples, nrow=8), output / "samples.png")
    described = {**description, "settings": dataclasses.asdict(settings)}
    try:
        card = render_prior_card(Path(config.prior).name, described, record.parts)
    except (
        AttributeError,
        LookupError,
        TypeError,
        UndefinedError,
        ValueError,
    ) as error:  # a part that was read, not measured
        raise ValueError(f"{output / FILE} has a part that is damaged: {one_line(error)}; {ADVICE}") from error
    write_text(output / "README.md", card)
    for name in (FILE, "samples.png", "README.md"):
        log.info("%s", output / name)
    return output
