"""The model card of a prior, made of its measurement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData
from markupsafe import Markup

from inverter.lab.prior.config import EvaluatePriorConfig
from inverter.lab.prior.plan import choose_settings
from inverter.publish.markdown import fill_card

TEMPLATE = Path(__file__).parent / "templates" / "prior.md.j2"


def render_prior_card(name: str, subject: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    """Markdown text of the card.

    Args:
        name: Of the published prior.
        subject: What the record says that was measured.
        parts: The record's parts; those that are absent are said to be.
    Raises:
        jinja2.UndefinedError, AttributeError, LookupError, TypeError, ValueError: A part is not as it is measured.
    """
    config, val = subject["config"], parts["round_trip/val"]
    highest = val["spectrum_db"][-max(len(val["spectrum_db"]) // 4, 1) :]
    usual = f"{config['num_inference_steps']} steps, guidance {config['guidance_scale']:g}"
    gaps = {judge: closed_gap(parts, judge, usual) for judge in subject["judges"]}
    data = ModelCardData(
        license="apache-2.0" if subject["training"] else "other",
        library_name="diffusers",
        tags=["latent-diffusion", "feature-inversion"],
    )
    return fill_card(
        TEMPLATE,
        data,
        **{**subject, "training": subject.get("training") or {}},
        name=name,
        parts={"text": None, "background": None, "memory": None, **parts},
        command=_command(name, subject),
        round_trips=(
            (val, "val"),
            (val.get("linear"), "val, by principal components of as many channels"),
            (parts.get("round_trip/photos"), "package photos"),
        ),
        lost=sum(highest) / len(highest),
        distributions={part.removeprefix("kid/"): values for part, values in parts.items() if part.startswith("kid/")},
        usual=usual,
        gaps={judge: share for judge, share in gaps.items() if share is not None},
        machine=_machine(parts["speed"]),
        speed=_speed(parts["speed"]),
        fid=_fid,
        interval=_interval,
        number=_number,
    )


def _command(name: str, subject: Mapping[str, Any]) -> str:
    """What measured it, with every key that is not as it is by itself."""
    usual = EvaluatePriorConfig(val="", output="")
    values = {**asdict(usual), **asdict(choose_settings(usual, subject["few_step"]))}
    config = {**subject["config"], **subject["settings"]}
    changed = [key for key in config if key not in ("val", "train") and config[key] != values[key]]
    words = "".join(f" '{key}={json.dumps(config[key])}'" for key in changed)
    return (
        f"inverter evaluate_prior prior={name} val=VAL{' train=TRAIN' if config['train'] else ''}{words} output=OUTPUT"
    )


def closed_gap(parts: Mapping[str, Any], judge: str, name: str) -> float | None:
    """Share of the KID between decoded Gaussian latents and round trips that samples close; None if not measured."""
    names = (f"kid/{name}", "kid/Gaussian latents", "kid/round trip")
    if any(part not in parts or judge not in parts[part] for part in names):
        return None
    drawn, worst, best = (parts[part][judge]["kid"]["mean"] for part in names)
    return (worst - drawn) / (worst - best) if worst != best else None


def _speed(speed: Mapping[str, Any]) -> str:
    rates = [f"{rate:.1f} in {_count(steps, 'step')}" for steps, rate in speed.items() if steps.isdigit()]
    return ", ".join(rates) or "not measured"


def _machine(speed: Mapping[str, Any]) -> str:
    """What speed was measured with; records of older versions do not say it."""
    if "environment" not in speed:
        return "machine not recorded"
    environment, commit = speed["environment"], speed["commit"]
    gpu = f"{environment['gpus'][0]}, " if speed["device"] == "cuda" else ""
    threads = _count(environment["threads"], "thread")
    return f"{gpu}{environment['processor']}, {threads}, commit {(commit or 'unknown')[:12]}"


def _number(part: Mapping[str, Any]) -> str:
    """Pictures of a part; records of older versions do not say it of all."""
    return f"{part['num_pictures']:,}" if "num_pictures" in part else ""


def _count(number: int | str, noun: str) -> str:
    return f"{number} {noun}{'' if int(number) == 1 else 's'}"


def _fid(value: float | str) -> str:
    """The distance, or why there is none."""
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _interval(bounds: Mapping[str, float | None] | None, digits: int) -> Markup:
    if bounds is None:
        return Markup("")
    if bounds["low"] is None or bounds["high"] is None:
        return Markup(f"{bounds['mean']:.{digits}f}")
    return Markup(f"{bounds['mean']:.{digits}f} [{bounds['low']:.{digits}f}, {bounds['high']:.{digits}f}]")
