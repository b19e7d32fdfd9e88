"""What an audit is made of: the layers, and for each the configs of the stages that it goes through."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from inverter.audit.config import AttackConfig, AuditConfig, SplitConfig
from inverter.audit.metrics import SCORED
from inverter.blackbox.config import TrainConfig
from inverter.config import EvaluateConfig, NetworkConfig, PrepareConfig, TargetConfig
from inverter.data.manifest import MANIFEST, SPLITS, Manifest
from inverter.data.sources.tar import expand_shards
from inverter.defences.unseen import check_unseen
from inverter.evaluation.judges import load_judges
from inverter.evaluation.metrics import METRICS, JudgeMetric, Missing, RankMetric
from inverter.evaluation.metrics.lpips import load_lpips
from inverter.evaluation.pairs import draw_distractors
from inverter.priors.memory import check_memory
from inverter.run.device import pick_device
from inverter.targets.defended import apply_defence
from inverter.targets.layers import LayerInfo, list_layers
from inverter.targets.load import load_network
from inverter.targets.target import weights_sha256

MIN_FAMILY = 3
"""Numbered siblings (``blocks.0``, ``blocks.1``, ...) that count as the stages of a network."""


@dataclass(frozen=True)
class Step:
    """One attack's way through the stages: its place in the network, a config a stage and split, and its name.

    Without a name of its own it is named after its layer.
    """

    info: LayerInfo
    prepare: dict[str, PrepareConfig]
    train: TrainConfig
    evaluate: EvaluateConfig
    own_name: str | None = None

    @property
    def name(self) -> str:
        return self.own_name or self.info.name

    @property
    def run(self) -> Path:
        """Folder of the layer's training run."""
        return Path(self.train.output)

    @property
    def evaluation(self) -> Path:
        return self.run / "evaluation"

    @property
    def pairs(self) -> Path:
        """Folder of the layer's splits."""
        return Path(self.train.data.path)


def plan_audit(config: AuditConfig) -> list[Step]:
    """Steps of an audit, in the order of the forward pass.

    Raises:
        ValueError: Unknown target or layer, or a value that no later step would name.
    """
    check_attack(config, "layer")
    if not 0 < config.threshold <= 1:
        raise ValueError(f"threshold={config.threshold}; allowed: above 0, at most 1")
    known = list_layers(config.target.name, config.target.input_size)
    layers = spread_layers(known, config.num_layers) if config.layers is None else find_layers(known, config.layers)
    return [_step(config, info) for info in layers]


def check_attack(config: AttackConfig, each: str) -> None:
    """Refuse values that no later step would name.

    Args:
        config: What all attacks share.
        each: What they are one of, for which ``{...}`` stands in ``data.path``.
    Raises:
        ValueError: A value is not allowed.
    """
    if config.metric.partition("/")[0] not in SCORED:
        raise ValueError(f"metric={config.metric!r}; allowed: {', '.join(SCORED)}, or one of them followed by /JUDGE")
    kind, _, judge = config.metric.partition("/")
    judged = isinstance(METRICS[kind], JudgeMetric | RankMetric)
    if judged and (not config.judges or (judge and judge not in config.judges)):
        raise ValueError(
            f"metric={config.metric!r} needs a judge, but judges={list(config.judges)}; allowed: name it there"
        )
    if f"{{{each}}}" not in config.data.path:
        raise ValueError(f"data.path={config.data.path!r} must hold {{{each}}}, which stands for the {each}'s name")
    if config.data.images is not None:
        expand_shards(config.data.images)  # before any pair is made
    if config.model.kind != "inverter":
        raise ValueError(f"model.kind={config.model.kind!r}; only inverters are evaluated, allowed: inverter")
    if config.trainer.devices != 1:
        raise ValueError(f"trainer.devices={config.trainer.devices}; it runs on one device, allowed: 1")
    check_memory(config.memory, pick_device(config.trainer.device), trains=True)


def check_weights(target: NetworkConfig, steps: Sequence[Step]) -> None:
    """Refuse pairs on disk that were made with other weights than the target has now.

    Raises:
        ValueError: A folder of pairs is of other weights.
    """
    made = {step.pairs / split for step in steps for split in SPLITS}
    manifests = {folder: Manifest.load(folder) for folder in sorted(made) if (folder / MANIFEST).is_file()}
    if not manifests:
        return
    loaded = load_network(target.name, input_size=target.input_size, pretrained=target.pretrained)
    if target.defence is not None:
        apply_defence(loaded, [step.info.name for step in steps], target.input_size, target.defence)
    sha256 = weights_sha256(loaded.network)
    for folder, manifest in manifests.items():
        if manifest.target.weights_sha256 != sha256:
            raise ValueError(
                f"data.path: {folder} was made with weights {manifest.target.weights_sha256[:12]} of {target.name}, "
                f"which now has {sha256[:12]}; choose another data.path and output, or delete the old ones"
            )


def check_pictures(steps: Sequence[Step]) -> None:
    """Refuse pictures of ``val`` that a defence was trained on, before anything is trained.

    Raises:
        ValueError: There are some; which defence, and how many.
    """
    for step in steps:
        if (defence := step.train.target.defence) is not None:
            check_unseen(defence, step.pairs / "val")


def check_headline(config: AttackConfig, steps: Sequence[Step]) -> None:
    """Refuse a headline metric that cannot be computed here, before anything is trained for it.

    Args:
        config: What all attacks share.
        steps: The attacks, their pairs written.
    Raises:
        ValueError: A judge, LPIPS' weights or distractors are missing.
    """
    kind, _, judge = config.metric.partition("/")
    absent: list[Missing] = []
    if kind == "lpips":
        absent = [metric for metric in [load_lpips()] if isinstance(metric, Missing)]
    elif isinstance(METRICS[kind], JudgeMetric | RankMetric):
        names = [judge] if judge else config.judges
        judges, absent = load_judges(names)
        absent = [] if judges else absent
        if not absent and isinstance(METRICS[kind], RankMetric):
            distractors = draw_distractors(steps[0].pairs / "val", config.data.batch_size, config.seed)
            absent = [distractors] if isinstance(distractors, Missing) else []
    if absent:
        reasons = "; ".join(missing.reason for missing in absent)
        raise ValueError(
            f"metric={config.metric!r} cannot be computed: {reasons}; allowed: another metric, more val.pairs"
        )


def find_layers(known: Sequence[LayerInfo], names: Sequence[str]) -> list[LayerInfo]:
    """The layers of these names, in the order of ``known``.

    Raises:
        ValueError: No name, one given twice, or one that is not known; the message lists the nearest.
    """
    by_name = {info.name: info for info in known}
    for name in names:
        if name not in by_name:
            nearest = difflib.get_close_matches(name, by_name, n=6, cutoff=0.0)
            raise ValueError(f"layers: {name!r} cannot be tapped; the nearest that can are {', '.join(nearest)}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"layers={list(names)!r}; allowed: one or more, each once; null chooses them")
    return [info for info in known if info.name in names]


def spread_layers(known: Sequence[LayerInfo], count: int) -> list[LayerInfo]:
    """Choose ``count`` layers, evenly spaced over the stages of a network.

    Stages are the shallowest three or more modules that differ in their number alone and have modules inside, such as
    ``blocks.0`` to ``blocks.6``; where there are none, every layer at which work was done since the one before.

    Raises:
        ValueError: ``count`` is below 1.
    """
    if count < 1:
        raise ValueError(f"num_layers={count}; allowed: 1 or more")
    families: dict[str, list[LayerInfo]] = {}
    for info in known:
        family, number = re.fullmatch(r"(.*?)(\d*)", info.name).groups()  # type: ignore[union-attr]
        if number and any(other.name.startswith(f"{info.name}.") for other in known):
            families.setdefault(family, []).append(info)
    stages = [family for family in families if len(families[family]) >= MIN_FAMILY]
    if stages:
        candidates = families[min(stages, key=lambda family: (family.count("."), -len(families[family])))]
    else:
        candidates = list({info.device_share: info for info in reversed(known)}.values())[::-1]
    last = len(candidates) - 1
    places = {round(i * last / max(count - 1, 1)) for i in range(count)}
    return [candidates[place] for place in sorted(places)]


def _step(config: AuditConfig, info: LayerInfo) -> Step:
    folder = folder_name(info.name)
    target = TargetConfig(**asdict(config.target), layer=info.name)
    return build_step(config, info, target, config.data.path.replace("{layer}", folder), folder)


def folder_name(name: str) -> str:
    """A layer's or a setting's name as part of a path."""
    return re.sub(r"[^\w.-]+", "-", name)


def build_step(
    config: AttackConfig,
    info: LayerInfo,
    target: TargetConfig,
    pairs: str,
    folder: str,
    name: str | None = None,
    limit: int | None = None,
) -> Step:
    """The configs of an attack's stages.

    Args:
        config: What all attacks share.
        info: Where it lies in the network.
        target: What sends the features.
        pairs: Folder of its splits.
        folder: Name of its run's folder in ``config.output``.
        name: Its name; None is the layer's.
        limit: Pictures evaluated; None takes all.
    """
    run, data = str(Path(config.output) / folder), config.data
    return Step(
        own_name=name,
        info=info,
        prepare={split: _prepare(config, target, split, getattr(config, split), pairs) for split in SPLITS},
        train=TrainConfig(
            target=target,
            prior=config.prior,
            memory=config.memory,
            data=replace(data, path=pairs),
            model=config.model,
            optim=config.optim,
            trainer=config.trainer,
            output=run,
            seed=config.seed,
        ),
        evaluate=EvaluateConfig(
            target=target,
            inverter=run,
            memory=config.memory,
            judges=config.judges,
            num_train=config.num_train,
            limit=limit,
            batch_size=data.batch_size,
            num_bootstrap=config.num_bootstrap,
            precision=config.optim.precision,
            device=config.trainer.device,
            seed=config.seed,
        ),
    )


def _prepare(
    config: AttackConfig, target: TargetConfig, split: str, pictures: SplitConfig, output: str
) -> PrepareConfig:
    return PrepareConfig(
        target=target,
        prior=config.prior,
        memory=config.memory,
        output=output,
        split=split,
        source=pictures.source,
        pairs=pictures.pairs,
        shard_size=config.shard_size,
        feature_dtype=config.feature_dtype,
        augment=pictures.augment,
        num_inference_steps=config.num_inference_steps,
        precision=config.optim.precision,
        max_time=pictures.max_time,
        device=config.trainer.device,
        seed=pictures.seed,
    )
