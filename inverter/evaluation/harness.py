"""The harness: methods, floors and ceilings on the same images, with intervals, paired comparisons and references."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from inverter.evaluation.collect import Instruments, Measurements, OnRecon, Sample, collect
from inverter.evaluation.intervals import Bootstrap, Statistic
from inverter.evaluation.judges import Gallery, Judge, reidentification
from inverter.evaluation.methods import STATIC, Method
from inverter.evaluation.metrics import (
    METRICS,
    ImageMetric,
    Judged,
    JudgeMetric,
    Missing,
    RankMetric,
    SetMetric,
    block,
    metrics_of,
)
from inverter.evaluation.nearest import TrainingReader
from inverter.evaluation.notes import own_notes, preferred_point
from inverter.evaluation.recon_files import select_pictures
from inverter.evaluation.results import Comparison, Results, Row, Score, SentSize, make_comparison
from inverter.run.record import commit, environment
from inverter.targets.shape import from_lists

ORIGINAL = "original"
"""Row of the images themselves, always there: what a perfect reconstruction would score."""

NEAREST = "nearest training picture"


def evaluate(
    methods: Mapping[str, Method],
    batches: Iterable[Mapping[str, Any]],
    *,
    target: Callable[[Tensor], Tensor] | None = None,
    judges: Sequence[Judge] = (),
    gallery: Gallery | Missing | None = None,
    train_batches: Iterable[Mapping[str, Any]] | None = None,
    baseline: str | None = None,
    comparisons: Sequence[tuple[str, str]] | None = None,
    seed: int = 0,
    num_bootstrap: int = 2000,
    device: torch.device | str = "cpu",
    config: Mapping[str, Any] | None = None,
    target_spec: Mapping[str, Any] | None = None,
    weights_sha256: str | None = None,
    trained_on: Mapping[str, Any] | None = None,
    threat_model: str = "",
    notes: Sequence[str] = (),
    missing: Sequence[Missing] = (),
    sent_bytes: float | None = None,
    on_recon: OnRecon | None = None,
    queries: int | None = None,
) -> Results:
    """Evaluate methods on every image of ``batches``, once.

    Args:
        methods: Name to method. Attacks get a copy of the features and nothing else; references may get the image.
        batches: Evaluation pairs with ``key``, ``image``, ``features``, ``text`` and ``group``.
        target: Attacked network, images to features; None leaves the feature cosine out.
        judges: Classifiers that no attack used; none leaves recognition and distribution out.
        gallery: Distractors for re-identification, or why there are none; None leaves it out.
        train_batches: Training pairs, passed over once, for the floors that read them and to tell retrieval from
            inversion; None leaves it out.
        baseline: Attack that every other one is compared with; all are compared with every floor.
        comparisons: Pairs of methods instead of these, read as the first minus the second.
        seed: Seeds the bootstrap, and what methods draw from PyTorch's generator.
        num_bootstrap: Replicates.
        device: Where images and features go before a method gets them.
        config: Resolved configuration, plain data, recorded as it is.
        target_spec: Network and layer that the features come from, plain data, recorded as it is.
        weights_sha256: Hash of the weights of the attack, which ties the numbers to them.
        trained_on: Likewise, of the attack's training where that was another.
        threat_model: What the attacker was given.
        notes: Lines for the reader of the report.
        missing: What could not be had before the evaluation began, such as a judge, and why.
        sent_bytes: Bytes per image that travel, recorded as they are; None where nobody counted.
        on_recon: Called with method, keys and ``recon`` of every batch, such as :func:`save_recons`.
        queries: How often the target is asked for each picture, for methods that see ``queries``.
    Returns:
        Rows, comparisons, what is missing and why, per-image numbers and pictures.
    Raises:
        ValueError: ``baseline`` is no attack, ``comparisons`` name what is not there, a name is reserved or taken
            twice, a floor reads training pairs and there are none, a method gives images of another shape or not
            finite, or there is no image.
    """
    device = torch.device(device)
    compared = _comparisons(methods, baseline, comparisons)
    readers = [name for name, method in methods.items() if isinstance(method.reconstruct, TrainingReader)]
    if readers and train_batches is None:
        raise ValueError(f"train_batches is None; needed by {', '.join(readers)}")
    if len({judge.name for judge in judges}) < len(judges):
        raise ValueError(f"judges has a name twice: {', '.join(judge.name for judge in judges)}")
    shape = from_lists(target_spec["feature_shape"]) if target_spec else None
    asking = [name for name, method in methods.items() if method.sees == "queries"]
    if asking and (target is None or queries is None or queries < 2):
        raise ValueError(f"queries is {queries}; needed by {', '.join(asking)}: 2 or more, and the target")
    instruments = Instruments(device, target, judges, shape, seed, on_recon, queries)
    sample = collect(methods, batches, instruments, train_batches)
    absent = [*missing, *sample.missing]
    if device.type != "cuda":
        absent.append(Missing("peak_memory_bytes", "counted on CUDA devices only"))
    networks = {name: metric.network for name, metric in metrics_of(ImageMetric).items() if metric.network}
    networks = {name: network.format(target=_target_label(target)) for name, network in networks.items()}
    attacks = [name for name, method in methods.items() if method.kind == "attack"]
    records = {ORIGINAL: sample.original, **sample.records}

    chance: dict[str, float] = {}
    _recognise(sample, records, judges, gallery, chance, absent)
    nearest = sample.nearest
    if nearest is None:
        absent.append(Missing("nearest_train_psnr", "no training pairs given to search"))
    bootstrap = Bootstrap(len(sample.keys), sample.groups, num_bootstrap=num_bootstrap, seed=seed)
    statistics = {name: _means(record, bootstrap) for name, record in records.items()}
    whole = _whole_sample(sample, records, judges, bootstrap, statistics, absent)
    for judge in judges:
        networks |= {metric: judge.label for metric in statistics[ORIGINAL] if metric.endswith(f"/{judge.name}")}

    everyone = {ORIGINAL: Method(lambda image: image, kind="ceiling", sees="image"), **methods}
    rows = []
    for name, record in records.items():
        scores = {}
        for metric, statistic in statistics[name].items():
            interval = bootstrap.interval(statistic)
            scores[metric] = Score(
                interval.mean, interval.low, interval.high, interval.n, interval.groups, networks.get(metric)
            )
        for (metric, label), value in whole[name].items():
            scores[metric] = Score(value, None, None, bootstrap.n, bootstrap.num_groups, label)
        rows.append(
            Row(name, everyone[name].kind, everyone[name].operating_point, scores, _cost(name, everyone, record))
        )

    paired = tuple(_compare(compared, statistics, bootstrap, networks))
    pictures = {name: record.picture() for name, record in sample.records.items()}
    decibels = {name: record.value("psnr") for name, record in sample.records.items()}
    if nearest is not None:
        pictures[NEAREST], decibels[NEAREST] = nearest.pictures, nearest.psnr.double()
    return Results(
        rows=tuple(rows),
        chance=chance,
        comparisons=paired,
        missing=tuple(absent),
        payload=SentSize(sample.num_features, sample.num_pixels, sent_bytes),
        num_images=bootstrap.n,
        num_sources=bootstrap.num_groups,
        target=dict(target_spec) if target_spec is not None else None,
        trained_on=dict(trained_on) if trained_on is not None else None,
        weights_sha256=weights_sha256,
        threat_model=threat_model,
        notes=(*own_notes(bootstrap, judges, nearest), *preferred_point(paired), *notes),
        config=dict(config or {}),
        seed=seed,
        commit=commit(),
        environment=environment() | {"device": str(device)},
        keys=tuple(sample.keys),
        groups=tuple(sample.groups),
        per_image={name: {m: record.value(m).tolist() for m in record.values} for name, record in records.items()},
        pictures=select_pictures(
            sample.keys, sample.text, sample.original.picture(), pictures, decibels, ranked_by=attacks
        ),
    )


def _comparisons(
    methods: Mapping[str, Method], baseline: str | None, given: Sequence[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    """Pairs ``(a, b)``, read as a minus b: those given, else what is drawn with ``mean`` and what needs more than
    ``sample`` with it, what was trained on these features with what was not, then every attack with the baseline and
    every floor."""
    if not methods or {ORIGINAL, NEAREST} & set(methods):
        raise ValueError(f"methods are {list(methods)}; allowed: one or more, none named {ORIGINAL!r} or {NEAREST!r}")
    if given is not None:
        unknown = sorted({name for pair in given for name in pair} - set(methods))
        if unknown:
            raise ValueError(f"comparisons name {', '.join(unknown)}; allowed: {', '.join(methods)}")
        return list(given)
    attacks = [name for name, method in methods.items() if method.kind == "attack"]
    floors = [name for name, method in methods.items() if method.kind == "floor"]
    if baseline is not None and baseline not in attacks:
        raise ValueError(f"baseline is {baseline!r}; allowed: {', '.join(attacks)}")
    others = floors if baseline is None else [baseline, *floors]
    drawn = [name for name in attacks if methods[name].operating_point == "sample"]
    points = [(name, "mean") for name in drawn if "mean" in attacks]
    points += [(name, "sample") for name in drawn if "sample" in drawn and name != "sample"]
    points += [(name, f"{STATIC}{name}") for name in attacks if f"{STATIC}{name}" in attacks]
    return [*points, *((attack, other) for attack in attacks for other in others if attack != other)]


def _recognise(
    sample: Sample,
    records: Mapping[str, Measurements],
    judges: Sequence[Judge],
    gallery: Gallery | Missing | None,
    chance: dict[str, float],
    missing: list[Missing],
) -> None:
    """Add each record's values under each judge, and what guessing gets."""
    if not judges:
        missing += [Missing(name, "no judge given") for kind in (JudgeMetric, SetMetric) for name in metrics_of(kind)]
    if not judges or gallery is None:
        missing.append(Missing("reid", "no judge given" if not judges else "no gallery of distractors given"))
    elif isinstance(gallery, Missing):
        missing.append(gallery)
    for judge in judges:
        original = sample.original.verdict(judge.name)
        distractors = judge.embed(gallery.images) if isinstance(gallery, Gallery) else None
        for record in records.values():
            judged = Judged(record.verdict(judge.name), original, sample.groups)
            for name, metric in metrics_of(JudgeMetric).items():
                record.values[f"{name}/{judge.name}"] = [metric.measure(judged)]
                if record is sample.original and (guess := metric.chance(judged)) is not None:
                    chance[f"{name}/{judge.name}"] = guess
            if not isinstance(gallery, Gallery) or distractors is None:
                continue
            excluded = gallery.excluded(sample.groups, record.picture())
            ranks = reidentification(judged.recon.embeddings, original.embeddings, distractors, excluded)
            for name, ranked in metrics_of(RankMetric).items():
                record.values[f"{name}/{judge.name}"] = [ranked.measure(ranks)]
                if record is sample.original:
                    chance[f"{name}/{judge.name}"] = ranked.chance(ranks).mean().item()


def _means(record: Measurements, bootstrap: Bootstrap) -> dict[str, Statistic]:
    """Mean of every metric with one value per image, whose columns are put in order."""
    record.values = dict(sorted(record.values.items(), key=lambda item: block(item[0])))
    shares = {name for name in METRICS.names() if METRICS[name].share}
    return {name: bootstrap.mean(record.value(name), name.partition("/")[0] in shares) for name in record.values}


def _whole_sample(
    sample: Sample,
    records: Mapping[str, Measurements],
    judges: Sequence[Judge],
    bootstrap: Bootstrap,
    statistics: Mapping[str, dict[str, Statistic]],
    missing: list[Missing],
) -> dict[str, dict[tuple[str, str], float]]:
    """Add metrics of the whole sample that are statistics; gives those that are numbers, and the judge of each."""
    per_method: dict[str, dict[tuple[str, str], float]] = {name: {} for name in records}
    for judge in judges:
        original = sample.original.verdict(judge.name)
        for name, record in records.items():
            judged = Judged(record.verdict(judge.name), original, sample.groups)
            for kind, metric in metrics_of(SetMetric).items():
                value = metric.measure(judged, bootstrap)
                if isinstance(value, Statistic):
                    statistics[name][f"{kind}/{judge.name}"] = value
                elif not isinstance(value, Missing):
                    per_method[name][f"{kind}/{judge.name}", judge.label] = value
                elif value not in missing:
                    missing.append(value)
    return per_method


def _compare(
    compared: Sequence[tuple[str, str]],
    statistics: Mapping[str, Mapping[str, Statistic]],
    bootstrap: Bootstrap,
    networks: Mapping[str, str],
) -> list[Comparison]:
    comparisons = []
    for a, b in compared:
        shared = [metric for metric in statistics[a] if metric in statistics[b]]
        differences = {metric: bootstrap.difference(statistics[a][metric], statistics[b][metric]) for metric in shared}
        comparisons += [make_comparison(a, b, metric, differences, networks.get(metric)) for metric in shared]
    return comparisons


def _cost(name: str, methods: Mapping[str, Method], record: Measurements) -> dict[str, float]:
    if name == ORIGINAL:
        return {}
    cost = {"seconds_per_image": record.seconds / len(record.value("psnr")), **methods[name].cost}
    return cost | ({"peak_memory_bytes": record.peak_memory} if record.peak_memory else {})


def _target_label(target: Callable[[Tensor], Tensor] | None) -> str:
    spec = getattr(target, "spec", None)
    return f"{spec.name} at {spec.layer} (the attacked network)" if spec is not None else "the attacked network"
