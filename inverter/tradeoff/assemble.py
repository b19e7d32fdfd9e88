"""From the files that a finished trade-off's stages left to what it found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from inverter.audit.assemble import missing_reasons, read_results
from inverter.audit.metrics import SCORED, PerImage, attack_means, headline, read_per_image, score_metrics
from inverter.audit.plan import Step
from inverter.audit.score import LeakScore, best_of_each
from inverter.data.manifest import Manifest
from inverter.evaluation.intervals import Bootstrap, Difference, Interval, Statistic
from inverter.evaluation.labels import label
from inverter.evaluation.methods import STATIC
from inverter.evaluation.metrics import Missing
from inverter.evaluation.results import Comparison, Results, Score, make_comparison
from inverter.run.record import commit, environment
from inverter.tradeoff.config import TradeoffConfig
from inverter.tradeoff.plan import Plan, Setting
from inverter.tradeoff.record import SettingRecord, Tradeoff
from inverter.tradeoff.utility import FILE, SENT, read_answers, read_entropy

CAVEATS = (
    "Leakage is a lower bound: a stronger prior, more pairs, longer training or another attack may get more. A low "
    "score is no proof of privacy, and no epsilon follows from it.",
    "It says how well pictures come back, not what they contain: a single attribute may be read from features that "
    "give no picture at all.",
    "The adaptive attacker has pairs of what arrives and the static one of undefended features; neither knows a noise, "
    "a key or which numbers were lost, nor the weights of the network. One who knows the weights can do more.",
    "Utility is agreement with the undefended network where no label is known: it may go on where both are wrong, and "
    "a network that is trained for its payload would lose less.",
    "The Pareto set compares means. One of its settings may be no better than one that is not in it; what may be told "
    "apart is said with intervals. These hold for each setting alone: of many that protect nothing, one in forty would "
    "be said to protect by chance.",
    "It holds for this layer, this input size, these pictures at the size compared, and as many pairs and as much "
    "training as was given to each attack.",
)


def assemble(config: TradeoffConfig, plan: Plan, limits: Mapping[str, float], needs: Mapping[str, float]) -> Tradeoff:
    """Read every setting's evaluation and answers, score it, and draw the conclusions.

    Raises:
        ValueError: A file is damaged, the headline metric was not computed, or pictures differ.
    """
    results = [read_results(step) for step in plan.steps]
    per_image = [read_per_image(step.evaluation / "per_image.csv") for step in plan.steps]
    for step, seen in zip(plan.steps, per_image, strict=True):
        if (seen.keys, seen.groups) != (per_image[0].keys, per_image[0].groups):
            raise ValueError(f"{step.evaluation} is of other pictures than {plan.steps[0].evaluation}; delete both")
    scored = [score_metrics(*each, config.num_bootstrap) for each in zip(results, per_image, strict=True)]
    settings = []
    for number, (setting, step) in enumerate(zip(plan.settings, plan.steps, strict=True)):
        found = (results[number], per_image[number])
        protection = compare_best(found, (results[0], per_image[0]), config.num_bootstrap) if number else ()
        settings.append(_record(config, setting, step, results[number], scored[number], protection))
    manifest = Manifest.load(plan.steps[0].pairs / "train")
    spec = manifest.target
    tradeoff = Tradeoff(
        target={
            "name": spec.name,
            "layer": spec.layer,
            "input_size": spec.input_size,
            "weights_sha256": spec.weights_sha256,
        },
        prior=config.prior,
        picture_size=manifest.resolution,
        settings=tuple(settings),
        metric=headline(scored, config.metric, missing_reasons(results)),
        pareto=(),
        protecting=(),
        keep=config.keep,
        recommended=None,
        limits=dict(limits),
        needs=dict(needs),
        exceeded=(),
        below=(),
        num_images=results[0].num_images,
        num_sources=results[0].num_sources,
        threat_model=f"{results[0].threat_model}. {_adaptive(plan)}",
        caveats=CAVEATS,
        notes=(*results[0].notes, *_unequal(settings), *other_shape_notes(plan)),
        config=asdict(config),
        seed=config.seed,
        commit=commit(),
        environment=environment(),
    )
    return replace(tradeoff, **tradeoff.verdict())


def compare_best(
    here: tuple[Results, PerImage], undefended: tuple[Results, PerImage], num_bootstrap: int
) -> tuple[Comparison, ...]:
    """Best attack of one evaluation minus that of another, of every metric that gets a score, on the same pictures.

    Every replicate takes its own best attacks. A claim needs 20 sources and one sign under every judge.
    """
    groups = list(here[1].groups)
    bootstrap = Bootstrap(len(groups), groups, num_bootstrap=num_bootstrap, seed=here[0].seed)
    names: dict[str, tuple[str, str]] = {}
    differences: dict[str, Difference] = {}
    for metric in (each for each in here[0].metrics() if each.partition("/")[0] in SCORED):
        attacks = [attack_means(metric, *each, bootstrap) for each in (here, undefended)]
        if all(attacks):
            sign = -1.0 if label(metric).arrow == "↓" else 1.0
            best = [best_of_each(each, sign) for each in attacks]
            tops = [
                Statistic(sign * top.value, sign * top.replicates, each[name].rare)
                for (name, top), each in zip(best, attacks, strict=True)
            ]
            names[metric], differences[metric] = (best[0][0], best[1][0]), bootstrap.difference(*tops)
    return tuple(make_comparison(*names[metric], metric, differences) for metric in differences)


def _record(
    config: TradeoffConfig,
    setting: Setting,
    step: Step,
    results: Results,
    scored: Mapping[str, LeakScore | Missing],
    protection: tuple[Comparison, ...],
) -> SettingRecord:
    answers, train = read_answers(step.run / FILE), Manifest.load(step.pairs / "train")
    summary = json.loads((step.run / "summary.json").read_text())
    sent, mark = results.payload, train.target.defence
    return SettingRecord(
        name=setting.name,
        payload=train.target.payload,
        defence=None if mark is None else asdict(mark),
        knows=setting.knows,
        bytes=4.0 * sent.features if sent.bytes is None else sent.bytes,
        ratio=sent.ratio,
        agreement=_score(answers.agreement(config.num_bootstrap, config.seed)),
        top1=_score(answers.top1("arrived", config.num_bootstrap, config.seed)) if config.labels else None,
        scores={key: score for key, score in scored.items() if isinstance(score, LeakScore)},
        unscored={key: score.reason for key, score in scored.items() if isinstance(score, Missing)},
        metrics={row.name: row.scores for row in results.rows},
        gains=tuple(each for each in results.comparisons if each.b == f"{STATIC}{each.a}"),
        protection=protection,
        cost={
            "pairs": float(summary["pairs"]),
            "pairs_seen": float(summary["pairs_seen"]),
            "steps": float(summary["steps"]),
            "train_seconds": float(summary["seconds"]),
        },
        entropy=read_entropy(step.run / SENT),
    )


def _score(found: Interval) -> Score:
    return Score(found.mean, found.low, found.high, found.n, found.groups)


def _adaptive(plan: Plan) -> str:
    begun = plan.steps[0].train.start_from
    first = "an inverter of undefended features" if plan.start is not None else f"{begun}"
    sentences = (
        "The adaptive attack on each setting is an inverter trained on pairs of what arrives there, beginning with "
        f"{first} and with the same budget as every other one, the undefended among them; the static attack is that "
        "of undefended features, fed what arrives."
    )
    if plan.steps[0].train.data.images is None:
        return f"{sentences} A training pair holds one draw of a payload's noise."
    return (
        f"{sentences} Training pictures go through the device's half, which the attacker has, in every step: augmented "
        "anew, with noise drawn anew. Whether pictures that are attacked are among them is not checked."
    )


def other_shape_notes(plan: Plan) -> list[str]:
    """What an attack on features of another shape had in place of the inverter that the others began with."""
    begun = plan.steps[0].train.start_from
    budget = "the budgets of both trainings"
    if plan.start is None:
        budget = f"twice the others' budget, but not the training of {begun}: little leakage may be its lack of it"
    return [
        f"Features of {step.name} have another shape: its attack began with random weights and had {budget}, and the "
        "static attack cannot read it."
        for step in plan.steps
        if step.train.start_from is None
    ]


def _unequal(settings: Sequence[SettingRecord]) -> list[str]:
    counts = {setting.name: setting.cost["pairs"] for setting in settings}
    if len(set(counts.values())) < 2:
        return []
    listed = ", ".join(f"{name} {count:,.0f}" for name, count in counts.items())
    return [f"Attacks were trained on unlike numbers of pairs, which flatters settings with fewer: {listed}."]
