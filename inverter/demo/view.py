"""HTML of what was computed, with its pictures inside: what travels, what comes back, how an attack gets on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from inverter.demo.channels import channel_pictures
from inverter.demo.compute import ArrivedFeatures
from inverter.evaluation.page import render_page
from inverter.losses.quality import psnr, to_bytes
from inverter.payloads import make_payload
from inverter.targets.shape import describe_shape, split_features
from inverter.targets.spec import TargetSpec

TEMPLATES = Path(__file__).parent / "templates"
Figure = tuple[str, Tensor, str]
"""A name, a picture ``(3, S, S)`` in [0, 1] and what stands below."""


def show_sent(sent: ArrivedFeatures, spec: TargetSpec, payload: str) -> str:
    """What travels: shape, bytes, and a few channels of each layer."""
    parts = [part[0] for part in split_features(sent.features, spec.feature_shape)]
    layers = [
        (name, [(label, to_bytes(picture)) for label, picture in channel_pictures(part)])
        for name, part in zip(spec.layers, parts, strict=True)
    ]
    name = make_payload(payload).name if payload else spec.payload
    note = (
        f"Of {spec.name.partition(':')[2] or spec.name}; each channel from its smallest number (dark) to its largest."
    )
    if sent.num_bytes is None:
        note = "Read from the file; how it travelled is not known."
    elif name != spec.payload:
        note += f" The inverter was trained on {spec.payload}: an attacker who retrains on {name} may find more."
    side = 0 if sent.picture is None else sent.picture.shape[-1]
    return render_page(
        "sent.html.j2",
        TEMPLATES,
        shape=describe_shape(spec.feature_shape),
        num_bytes=sent.num_bytes,
        ratio=(sent.num_bytes or 0) / max(1, 3 * side**2),
        side=side,
        payload=name,
        layer=spec.layer,
        layers=layers,
        note=note,
    )


def show_figures(sent: ArrivedFeatures, figures: Sequence[Figure], note: str, waiting: Sequence[str] = ()) -> str:
    """Pictures beside the photo, where there is one, with their PSNR to it."""
    photo = [] if sent.picture is None else [("photo", sent.picture, f"{sent.picture.shape[-1]} px")]
    rows = [*photo, *((name, picture, _described(picture, sent, text)) for name, picture, text in figures)]
    shown = [(name, to_bytes(picture), text) for name, picture, text in rows]
    return render_page("recon.html.j2", TEMPLATES, figures=shown, waiting=waiting, note=note)


def show_stopped(page: str) -> str:
    """What :func:`show_figures` gave of a search, whose note says that it was stopped."""
    head, end, tail = page.rpartition("</p>")
    return page if not end or "step" not in head or head.endswith("done") else f"{head}; stopped{end}{tail}"


def _described(picture: Tensor, sent: ArrivedFeatures, text: str) -> str:
    if sent.picture is None or sent.picture.shape != picture.shape:
        return text
    value = float(psnr(picture[None], sent.picture[None]))
    return ", ".join(filter(None, [text, f"{value:.1f} dB"]))
