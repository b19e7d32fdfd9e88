"""What the page computes: what travels of a photo, and what comes back of it. It knows nothing of pages."""

from __future__ import annotations

import contextlib
import math
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from inverter.data.feature_files import fitting, load_layers
from inverter.data.files import extension
from inverter.data.npy import npz_size
from inverter.data.pictures import FORMATS, read_picture, square, to_tensor
from inverter.demo.inverters import Inverters
from inverter.payloads import make_payload
from inverter.whitebox.attack import Attack
from inverter.whitebox.config import MethodsConfig
from inverter.whitebox.loop import Result

MOST_PIXELS = 50_000_000
"""Of a photo: decoded, it takes three bytes a pixel, and as much again while it is turned or converted."""
MOST_UNPACKED = 256_000_000
"""Bytes of a feature file; those that are not packed are bounded as uploads."""
MOST_TEXT = 300
MOST_SEED = 2**32 - 1


@dataclass(frozen=True)
class ArrivedFeatures:
    """One image's features as they arrive.

    Args:
        features: ``(1, *tensor_shape)``.
        picture: ``(3, S, S)`` in [0, 1], as the prior's resolution leaves it; None where features were given.
        num_bytes: That travelled; None where features were given.
    """

    features: Tensor
    picture: Tensor | None = None
    num_bytes: int | None = None


@dataclass(frozen=True)
class Draw:
    """How ``sample`` draws.

    Args:
        number: Of draws.
        seed: Of the first one; the others have the seeds behind it.
        guidance_scale: None is as published.
        prompt: Empty is none.
    """

    number: int = 2
    seed: int = 0
    guidance_scale: float | None = None
    prompt: str = ""

    def check(self, most: int) -> None:
        """Raise ValueError where a value is out of range; ``most`` draws are allowed."""
        scale = self.guidance_scale
        bad = [
            ("draws", self.number, 1 <= self.number <= most, f"1 to {most}"),
            ("seed", self.seed, 0 <= self.seed <= MOST_SEED, f"0 to {MOST_SEED}"),
            ("guidance", scale, scale is None or 0 <= scale <= 20, "0 to 20, or empty"),
            ("prompt", f"{len(self.prompt)} characters long", len(self.prompt) <= MOST_TEXT, f"{MOST_TEXT}"),
        ]
        for name, value, good, allowed in bad:
            if not good:
                raise ValueError(f"{name} is {value}; allowed: {allowed}")


def read_guidance(text: str) -> float | None:
    """A guidance scale as it was typed; None where nothing was.

    Raises:
        ValueError: It is no number; :meth:`Draw.check` says which are allowed.
    """
    try:
        return float(text) if text.strip() else None
    except ValueError as error:
        raise ValueError(f"guidance is {reprlib.repr(text)}; allowed: 0 to 20, or empty") from error


def read_photo(path: Path) -> Image.Image:
    """A photo as 8-bit RGB, turned as its EXIF says.

    Raises:
        ValueError: It is no picture, damaged, or has more pixels than are allowed.
    """
    size = (0, 0)
    with contextlib.suppress(Exception), Image.open(path, formats=FORMATS) as opened:  # reading it says what is wrong
        size = opened.size
    if math.prod(size) > MOST_PIXELS:
        raise ValueError(f"picture {path.name} has {size[0]} x {size[1]} pixels; allowed: {MOST_PIXELS:,} in all")
    return read_picture(path, path.name)


def send_photo(inverters: Inverters, name: str, payload: str, photo: Image.Image, seed: int = 0) -> ArrivedFeatures:
    """What the target of an inverter sends of a photo.

    Args:
        inverters: Which there are.
        name: Of the inverter.
        payload: Empty is the one that the inverter was trained on.
        photo: Of any size; its centre square is taken.
        seed: Of the noise of a payload that draws.
    Raises:
        ValueError: An unknown inverter or payload, or one that is not for these features.
    """
    inverter, spec = inverters.inverter(name)
    target = inverters.target(name, payload or spec.payload)
    picture = to_tensor(square(photo, inverter.spec.resolution))[None].to(inverters.device).float() / 255
    target.seed_payload(seed)
    with torch.no_grad():
        features, counts = target.transmit(picture)
    return ArrivedFeatures(features[spec.layer], picture[0], counts[spec.layer][0])


def read_features(inverters: Inverters, name: str, path: Path) -> ArrivedFeatures:
    """Features that were captured, from a file.

    Raises:
        ValueError: The file cannot be read, or holds other features than the inverter takes.
    """
    _, spec = inverters.inverter(name)
    try:
        if extension(path) == ".npz" and (size := npz_size(path)) > MOST_UNPACKED:
            raise ValueError(
                f"feature file {path} cannot be read: it takes {size:,} bytes unpacked; allowed: {MOST_UNPACKED:,}"
            )
        by_layer = load_layers(path, list(spec.layers))
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), path.name)) from error
    return ArrivedFeatures(fitting(by_layer, spec, path.name)[None].to(inverters.device))


def mean(inverters: Inverters, name: str, sent: ArrivedFeatures) -> Tensor:
    """One pass of the inverter: ``(3, S, S)`` in [0, 1]."""
    return inverters.inverter(name)[0].mean(sent.features)[0]


def sample(inverters: Inverters, name: str, sent: ArrivedFeatures, draw: Draw) -> Tensor:
    """What the prior draws under the features: ``(N, 3, S, S)`` in [0, 1], each by its seed alone.

    Raises:
        ValueError: A value of ``draw`` is out of range.
    """
    draw.check(inverters.config.max_draws)
    generators = [torch.Generator().manual_seed(draw.seed + number) for number in range(draw.number)]
    return inverters.inverter(name)[0].sample(
        sent.features.expand(draw.number, *sent.features.shape[1:]),
        prompt=draw.prompt or None,
        guidance_scale=draw.guidance_scale,
        generator=generators,
    )


def search(
    inverters: Inverters, name: str, payload: str, sent: ArrivedFeatures, method: str, seconds: float, seed: int = 0
) -> tuple[int, Iterator[Result]]:
    """A white-box attack on what was sent: how many steps it plans, and what it has found after each.

    Args:
        inverters: Which there are; the attack starts at the one that is named, where the method starts at one.
        name: Of the inverter.
        payload: As :func:`send_photo` was given it; the attacker knows of it what its class says.
        sent: Features to match.
        method: A white-box method.
        seconds: Budget; closing the iterator ends the search before.
        seed: Of the method's noise.
    Raises:
        ValueError: A value that is not allowed, or a target that is not at hand.
    """
    most = inverters.config.max_seconds
    if not 0 < seconds <= most:
        raise ValueError(f"seconds are {seconds:g}; allowed: above 0, at most {most:g}")
    inverter, spec = inverters.inverter(name)
    target = inverters.target(name, make_payload(payload or spec.payload).known)
    config = MethodsConfig()
    config.loop.max_seconds = seconds
    deviation = inverter.spec.feature_std
    std = {spec.layer: torch.tensor(deviation, device=inverters.device)} if deviation else {}
    attack = Attack(method, target, inverter.prior, config, inverter=inverter, std=std, seed=seed)
    return sum(phase.num_steps for phase in attack.phases()), attack.iterates(sent.features, ["photo"])
