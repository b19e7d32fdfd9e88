"""What a trade-off is made of: its settings, and for each the configs of the stages that it goes through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from inverter.audit.plan import Step, build_step, check_attack, find_layers, folder_name
from inverter.defences import load_defended
from inverter.payloads import make_payload
from inverter.targets.defence import read_defence
from inverter.targets.layers import list_layers
from inverter.targets.split import Split
from inverter.tradeoff.config import TradeoffConfig

UNDEFENDED = "identity"
START = "start"
"""Folder of the inverter that every attack begins with."""


@dataclass(frozen=True)
class Setting:
    """What is done to features before an attacker gets them.

    Args:
        name: Of the payload, of the defence's folder, or both joined by ``+``.
        payload: What travels.
        defence: Folder of a trained defence; None: undefended.
        knows: What an attacker knows of it.
        draws: Whether it adds noise that the attacker does not know.
    """

    name: str
    payload: str
    defence: str | None
    knows: str
    draws: bool


@dataclass(frozen=True)
class Plan:
    """Settings with the steps of their attacks, the undefended first; ``start`` is trained before them, if anything."""

    settings: tuple[Setting, ...]
    steps: tuple[Step, ...]
    start: Step | None


def plan_tradeoff(config: TradeoffConfig) -> Plan:
    """Settings and steps of a trade-off.

    Raises:
        ValueError: An unknown target, layer, payload or defence, or a value that no later step would name.
    """
    check_attack(config, "setting")
    if config.target.payload != UNDEFENDED or config.target.defence is not None:
        raise ValueError(
            f"target.payload={config.target.payload}, target.defence={config.target.defence}; allowed: none, as "
            "payloads=[...] and defences=[...] name what is compared"
        )
    if not 0 <= config.keep <= 1:
        raise ValueError(f"keep={config.keep}; allowed: 0 to 1")
    if not config.noise_level >= 0:
        raise ValueError(f"noise_level={config.noise_level}; allowed: 0 or more")
    if config.queries is not None and config.queries < 2:
        raise ValueError(f"queries={config.queries}; allowed: null, 2 or more")
    if config.limit is not None and config.limit < 1:
        raise ValueError(f"limit={config.limit}; allowed: null, 1 or more")
    settings = find_settings(config)
    if len(settings) < 2:
        raise ValueError("payloads=[], defences=[]; allowed: one or more of either, beside the undefended features")
    (info,) = find_layers(list_layers(config.target.name, config.target.input_size), [config.target.layer])

    def step(setting: Setting, folder: str) -> Step:
        target = replace(config.target, payload=setting.payload, defence=setting.defence)
        pairs = config.data.path.replace("{setting}", folder_name(setting.name))
        return build_step(config, info, target, pairs, folder, setting.name, config.limit)

    steps = [step(setting, folder_name(setting.name)) for setting in settings]
    start = step(settings[0], START) if config.start_from is None else None
    begin = str(start.run) if start is not None else config.start_from
    undefended = str(steps[0].run)
    return Plan(
        tuple(settings),
        tuple(_adapt(config, *each, begin, undefended) for each in zip(settings, steps, strict=True)),
        start,
    )


def find_settings(config: TradeoffConfig) -> list[Setting]:
    """Settings in order, the undefended first.

    Raises:
        ValueError: A payload is unknown, or two settings have one name or would share a folder.
    """
    payloads = [make_payload(each) for each in (UNDEFENDED, *config.payloads)]
    first = payloads[0]
    plain = [first, *(each for each in payloads[1:] if each.name != UNDEFENDED)]
    found = [Setting(each.name, each.name, None, each.knows, each.draws) for each in plain]
    for folder in config.defences:
        own, name = read_defence(folder), Path(folder).name
        for payload in map(make_payload, config.defended_payloads):
            sent = [each for each in (own.payload, payload.name) if each != UNDEFENDED] or [UNDEFENDED]
            found.append(
                Setting(
                    name=name if payload.name == UNDEFENDED else f"{name}+{payload.name}",
                    payload=payload.name,
                    defence=folder,
                    knows=own.knows + ("" if payload.name == UNDEFENDED else f"; {payload.name}: {payload.knows}"),
                    draws=make_payload(sent).draws,
                )
            )
    folders = [START, *(folder_name(setting.name) for setting in found)]
    if len(set(folders)) < len(folders):
        names = [setting.name for setting in found]
        raise ValueError(f"payloads and defences are named {', '.join(names)}; allowed: each once, none {START}")
    return found


def _adapt(config: TradeoffConfig, setting: Setting, step: Step, begin: str | None, undefended: str) -> Step:
    """An attack that is trained on what arrives, and beside it the one on the undefended features as it is."""
    model = step.train.model
    if setting.draws and getattr(model, "conditioning", None) == "control":
        model = replace(model, noise_level=max(model.noise_level, config.noise_level))  # type: ignore[attr-defined, call-arg]
    return replace(
        step,
        train=replace(step.train, start_from=begin, model=model),
        evaluate=replace(
            step.evaluate,
            static=None if setting.name == UNDEFENDED else undefended,
            queries=config.queries if setting.draws else None,
        ),
    )


def check_split(plan: Plan) -> Plan:
    """The plan, with attacks of their own on features of another shape: they begin with nothing and have both budgets.

    Raises:
        ValueError: The network does not run alone behind the layer, or a defence is not of this target.
    """
    shapes = {}
    for step in plan.steps:
        defence = step.train.target.defence
        if defence not in shapes:
            shapes[defence] = load_split(step, UNDEFENDED).target.spec.feature_shape
    own = [shapes[step.train.target.defence] != shapes[None] for step in plan.steps]
    return replace(
        plan, steps=tuple(_alone(step) if other else step for step, other in zip(plan.steps, own, strict=True))
    )


def _alone(step: Step) -> Step:
    optim = step.train.optim
    seconds, steps = (None if budget is None else 2 * budget for budget in (optim.max_time, optim.max_steps))
    train = replace(step.train, start_from=None, optim=replace(optim, max_time=seconds, max_steps=steps))
    return replace(step, train=train, evaluate=replace(step.evaluate, static=None))


def load_split(step: Step, payload: str) -> Split:
    """The device's half of a step's target with a payload and its defence, and the server's half.

    Raises:
        ValueError: As :func:`check_split`.
    """
    return load_defended(replace(step.train.target, payload=payload))
