"""The model card of a prior, made of its measurement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from inverter.lab.prior.config import EvaluatePriorConfig
from inverter.lab.prior.plan import choose_settings

CARD = """---
license: {licence}
library_name: diffusers
tags: [latent-diffusion, feature-inversion]
---
# {name}

A latent diffusion model at {resolution} px, {latents} latents. {use}{provenance}

![Samples](samples.png)

Samples for captions of val: {steps} steps, guidance {guidance:g}.

## Measured

Every number comes from `{command}`. Intervals are 95 % bootstrap intervals.

**Round trip** through the autoencoder.

{round_trip}

The spectrum's error is the mean distance in decibels between the power of round trips and of pictures, over 1 to
{nyquist} cycles a picture; lost at the highest quarter of frequencies: {lost}.

**Distribution.** KID (not times 1,000), and FID at the same size, of pictures against val.

{distribution}

{gap}

**Text.**

{text}

**Memorisation.** PSNR to the nearest training picture{mirrored}, by pixels.

{memory}

**Speed** ({machine}), samples a second, of {num_speed} without guidance: {speed}.

**Cost of training.** {training}
"""


PIPELINE = """`load_prior("{name}")` and diffusers'
`StableDiffusionPipeline.from_pretrained` read the same folder and draw the same latents{decoding}."""
DECODING = """; the pipeline leaves decoding
to `pipe.vae.decode` (`output_type="latent"`)"""
FEW_STEP = """`load_prior("{name}")` draws in one to four
steps without guidance what the base draws in many with it; its estimate is noised anew between the steps."""
PROVENANCE = " No target, judge or perceptual network took part in its training."


def render_prior_card(name: str, subject: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    """Markdown text of the card.

    Args:
        name: Of the published prior.
        subject: What the record says that was measured.
        parts: The record's parts; those that are absent are said to be.
    """
    config, speed = subject["config"], parts["speed"]
    spectrum = parts["round_trip/val"]["spectrum_db"]
    decoding = DECODING if subject["autoencoder"] == "AutoencoderDC" else ""
    highest = spectrum[-max(len(spectrum) // 4, 1) :]
    return CARD.format(
        name=name,
        licence="apache-2.0" if subject["training"] else "other",
        use=(FEW_STEP if subject["few_step"] else PIPELINE).format(name=name, decoding=decoding),
        provenance=PROVENANCE if subject["training"] else "",
        resolution=subject["resolution"],
        latents=" x ".join(map(str, subject["latent_shape"])),
        steps=config["num_inference_steps"],
        guidance=config["guidance_scale"],
        command=_command(name, subject),
        round_trip=_round_trips(parts),
        nyquist=len(spectrum),
        lost=f"{sum(highest) / len(highest):+.2f} dB",
        distribution=_distributions(parts, subject["judges"]),
        gap=_gap(parts, subject),
        text=_texts(parts, subject["judges"]),
        mirrored=" or mirror image of one" if parts.get("memory", {}).get("mirrored") else "",
        memory=_memory(parts),
        machine=_machine(speed),
        num_speed=config["num_speed"],
        speed=_speed(speed),
        training=_training(subject.get("training") or {}),
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


def _round_trips(parts: Mapping[str, Any]) -> str:
    lines = ["| pictures | number | PSNR, dB | SSIM | error of the spectrum, dB |", "| --- " * 5 + "|"]
    val = parts["round_trip/val"]
    linear = (val.get("linear"), "val, by principal components of as many channels")
    for found, name in ((val, "val"), linear, (parts.get("round_trip/photos"), "package photos")):
        if found:
            psnr, ssim = _interval(found["psnr"], 2), _interval(found["ssim"], 3)
            lines.append(f"| {name} | {found['num_pictures']:,} | {psnr} | {ssim} | {found['spectrum_error_db']:.2f} |")
    if gain := val.get("gain_over_linear"):
        lines += ["", f"Paired by picture, the autoencoder gains {_interval(gain, 2)} dB over principal components."]
    return "\n".join(lines)


def _distributions(parts: Mapping[str, Any], judges: list[str]) -> str:
    rows = {name.removeprefix("kid/"): found for name, found in parts.items() if name.startswith("kid/")}
    if not rows:
        return "Not measured: no judge at hand."
    heads = [f"{metric} ({judge})" for judge in judges for metric in ("KID", "FID")]
    lines = ["| pictures | number | " + " | ".join(heads) + " |", "| --- " * (len(heads) + 2) + "|"]
    for name, found in rows.items():
        cells = []
        for judge in judges:
            fid = found[judge].get("fid", "")
            cells += [_interval(found[judge]["kid"], 4), f"{fid:.1f}" if isinstance(fid, float) else str(fid)]
        lines.append(f"| {name} | {found['num_pictures']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _gap(parts: Mapping[str, Any], subject: Mapping[str, Any]) -> str:
    config = subject["config"]
    name = f"{config['num_inference_steps']} steps, guidance {config['guidance_scale']:g}"
    shares = {judge: closed_gap(parts, judge, name) for judge in subject["judges"]}
    said = ", ".join(f"{share:.0%} under {judge}" for judge, share in shares.items() if share is not None)
    return f"Of the gap between decoded Gaussian latents and round trips, {name} close {said or 'an unmeasured share'}."


def _texts(parts: Mapping[str, Any], judges: list[str]) -> str:
    lines = ["| question | number | drawn for it | real pictures | by chance |", "| --- " * 5 + "|"]
    for judge in judges if "text" in parts else []:
        found = parts["text"][judge]
        drawn, real = _interval(found["drawn_top5"], 3), _interval(found["real_top5"], 3)
        chance = "" if found["chance_top5"] is None else f"{found['chance_top5']:.3f}"
        cells = f"{_number(found)} | {drawn or 'not measured: classes unknown'} | {real} | {chance}"
        lines.append(f"| class among the top 5 of {judge} | {cells} |")
    cells = "| not measured: no backgrounds in the captions | |"
    if found := parts.get("background"):
        shares = f"{_interval(found['drawn'], 3)} | {_interval(found['real'], 3)} | {found['chance']:.3f}"
        cells = f"{_number(found)} | {shares}"
    lines.append(f"| border of the background's colour | {cells} |")
    return "\n".join(lines)


def _memory(parts: Mapping[str, Any]) -> str:
    if "memory" not in parts:
        return "Not measured: no training pictures given."
    lines = ["| pictures | number | mean, dB | median | 95 % | most |", "| --- " * 6 + "|"]
    for name, title in (("drawn", "samples"), ("real", "val")):
        found = parts["memory"][name]
        rest = " | ".join(f"{found[key]:.2f}" for key in ("median", "p95", "max"))
        lines.append(f"| {title} | {_number(parts['memory'])} | {_interval(found['mean'], 2)} | {rest} |")
    return "\n".join(lines)


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


def _training(training: Mapping[str, Any]) -> str:
    said = [
        f"{part}: {found['images_seen']:,} pictures in {found['seconds'] / 3600:.2f} hours on "
        f"{found['environment']['processor']} ({', '.join(found['environment']['gpus']) or 'no GPU'})"
        for part, found in training.items()
    ]
    return "; ".join(said) + "." if said else "Not recorded."


def _number(found: Mapping[str, Any]) -> str:
    """Pictures of a part; records of older versions do not say it of all."""
    return f"{found['num_pictures']:,}" if "num_pictures" in found else ""


def _count(number: int | str, noun: str) -> str:
    return f"{number} {noun}{'' if int(number) == 1 else 's'}"


def _interval(found: Mapping[str, float | None] | None, digits: int) -> str:
    if found is None:
        return ""
    if found["low"] is None or found["high"] is None:
        return f"{found['mean']:.{digits}f}"
    return f"{found['mean']:.{digits}f} [{found['low']:.{digits}f}, {found['high']:.{digits}f}]"
