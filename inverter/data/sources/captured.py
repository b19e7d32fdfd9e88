"""Features captured elsewhere: a folder of pictures and a folder of feature files, no target at hand."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.data.feature_axes import fit, is_batched, possible_shapes, several_advice
from inverter.data.feature_files import CONVERT, SUFFIXES, fitting, how_to_convert, load_features, load_images
from inverter.data.files import extension, listed, relative_stem, visible_files
from inverter.data.pictures import read_picture
from inverter.data.sources.folder import FolderSource
from inverter.data.sources.source import SourceImage
from inverter.payloads.payload import find_payload
from inverter.targets.spec import RESIZE, TargetSpec

log = logging.getLogger(__name__)
UNKNOWN_SHA256 = "0" * 64
"""Stands for the hash of weights that nobody told us."""


class CapturedSource(FolderSource):
    """Pictures of a folder, each with the features in the file of the same relative path and stem.

    Where ``axes`` begin with a batch, a file holds the features of several pictures, and the text file of the same path
    and stem names these in their order: one line each, the path within ``folder``.

    Args:
        folder: The pictures.
        features: Folder of feature files (one tensor, or the one called ``features``; of joint layers one called after
            each); ``spec.json`` in it may hold the target's spec.
        shard_size: Pictures a shard.
        num_images: Take the first pictures only; None takes all.
        feature_shape: Shape of one image's features; None: that of the spec, else what the first file's allows only.
        axes: What the axes of a file are, see :data:`inverter.data.feature_axes.AXES`; None: those of one image.
    Raises:
        ValueError: A folder is missing or empty, a picture has no feature file of its own, ``spec.json`` is invalid or
            of another shape, or what the axes of the first file mean has to be told by ``feature_shape``.
    """

    def __init__(
        self,
        folder: Path,
        features: Path,
        shard_size: int,
        num_images: int | None = None,
        *,
        feature_shape: Sequence[int] | None = None,
        axes: str | None = None,
    ) -> None:
        super().__init__(folder, shard_size, num_images)
        if not features.is_dir():
            raise ValueError(f"features={features} is no folder")
        self.features, self.axes, given = features, axes, visible_files(features)
        self.captured = "pictures and the features captured with them"
        self._read: tuple[Path, list[dict[str, Tensor]]] | None = None
        if is_batched(axes):
            self.rows = self._named_rows([path for path in given if extension(path) in SUFFIXES])
            self.spec = read_spec(features, lambda: only_shape(self.rows[0][0], axes), feature_shape)
            return
        partners: dict[str, list[Path]] = {}
        for path in given:
            if extension(path) in SUFFIXES:
                partners.setdefault(relative_stem(path, features), []).append(path)
        unread = [path for path in given if extension(path) in CONVERT]
        self.rows = [(self._partner(path, features, partners, unread), 0) for path in self.files]
        if len(set(self.rows)) < len(self.files):
            twice, _ = next(one for one, two in pairwise(sorted(self.rows)) if one == two)
            raise ValueError(f"{twice} belongs to more than one picture of {folder}; allowed: one picture a stem")
        if alone := sum(map(len, partners.values())) - len(self.files):
            log.warning("features=%s: %d file(s) have no picture in %s and are left out", features, alone, folder)
        self.spec = read_spec(features, lambda: only_shape(self.rows[0][0], axes), feature_shape)

    def listing(self) -> list[str]:
        row = ":{}" if is_batched(self.axes) else ""
        partners = (listed(path, self.features) + row.format(number) for path, number in self.rows)
        return [f"{one} {other}" for one, other in zip(super().listing(), partners, strict=False)]

    def shard(self, index: int) -> Iterator[SourceImage]:
        for number in self.numbers(index):
            path, (partner, row) = self.files[number], self.rows[number]
            features = self._load(partner)[row]
            for layer, shape in self.spec.layers.items():
                given = tuple(features[layer].shape)
                if given != shape and (self.axes is not None or fit(features[layer], shape) is None):
                    advice = "" if self.axes is not None else several_advice(given, shape)
                    raise ValueError(f"{partner} has shape {given}; needed: {shape}{advice}")
            sent = fitting(features, self.spec, self.keys[number], stated=self.axes is not None)
            yield SourceImage(self.keys[number], read_picture(path, str(path)), features=sent)

    def _load(self, path: Path) -> list[dict[str, Tensor]]:
        """Features of each image in a file; the last one of several images stays in memory."""
        if not is_batched(self.axes):
            return load_images(path, list(self.spec.layers), self.axes)
        if self._read is None or self._read[0] != path:
            images = load_images(path, list(self.spec.layers), self.axes)
            named = sum(file == path for file, _ in self.rows)
            if len(images) != named:
                raise ValueError(f"{path} holds {len(images)} images, but {names_file(path).name} names {named}")
            self._read = path, images
        return self._read[1]

    def _named_rows(self, files: list[Path]) -> list[tuple[Path, int]]:
        """File and row of each picture.

        Raises:
            ValueError: A file whose order nothing states, a picture that is named twice, never, or is not there.
        """
        places: dict[str, tuple[Path, int]] = {}
        for file in files:
            if not names_file(file).is_file():
                raise ValueError(
                    f"{file} holds several images (feature_axes={self.axes}), but their order is not stated; needed: "
                    f"{names_file(file).name} beside it, with a picture's path within {self.folder} a line"
                )
            for row, name in enumerate(names_file(file).read_text(encoding="utf-8").splitlines()):
                if places.setdefault(unicodedata.normalize("NFC", name), (file, row)) != (file, row):
                    raise ValueError(f"{names_file(file)} names {name!r}, which is named before; allowed: each once")
        wanted = [unicodedata.normalize("NFC", path.relative_to(self.folder).as_posix()) for path in self.files]
        if (left := set(wanted) - places.keys()) or (surplus := places.keys() - set(wanted)):
            wrong = f"picture {min(left)!r} is named in none" if left else f"{min(surplus)!r} is no picture"
            raise ValueError(f"features={self.features}: {wrong}; needed: each picture of {self.folder} in one .txt")
        return [places[name] for name in wanted]

    def _partner(self, path: Path, features: Path, partners: Mapping[str, list[Path]], unread: list[Path]) -> Path:
        stem = relative_stem(path, self.folder)
        files = partners.get(stem, [])
        if len(files) != 1:
            names = " or ".join(f"{stem}{suffix}" for suffix in SUFFIXES)
            advice = f"; {unread[0].name} is there, {how_to_convert(unread[0])}" if unread and not files else ""
            raise ValueError(
                f"picture {path} needs exactly one feature file in {features}: {names}; found {len(files)}{advice}"
            )
        return files[0]


def names_file(path: Path) -> Path:
    """File that names the pictures whose features a file of several images holds."""
    return path.with_suffix(".txt")


def read_spec(
    folder: Path, only: Callable[[], tuple[int, ...]], feature_shape: Sequence[int] | None = None
) -> TargetSpec:
    """The target's spec from ``folder/spec.json``, or one that says ``captured``.

    Args:
        folder: Of the features.
        only: Gives the one shape that the features can have, where nothing else says it.
        feature_shape: Shape of one image's features, where it is known.
    Raises:
        ValueError: ``spec.json`` or its payload is invalid, or of another shape, or ``only`` has no answer.
    """
    path = folder / "spec.json"
    shape = None if feature_shape is None else tuple(feature_shape)
    if shape is not None and not (1 <= len(shape) <= 3 and min(shape) >= 1):
        raise ValueError(f"feature_shape={list(shape)}; allowed: [C, h, w], [N, D] or [D] of one image")
    if path.is_file():
        try:
            spec = TargetSpec.from_dict(parse_json(path.read_bytes()))
            find_payload(spec.payload)
        except ValueError as error:
            raise ValueError(f"{path}: {one_line(error)}") from error
        if shape not in (None, spec.feature_shape):
            raise ValueError(f"feature_shape={list(shape or ())}, but {path} says {list(spec.feature_shape)}")
        return spec
    return TargetSpec(
        name="captured",
        layer="unknown",
        input_size=1,
        feature_shape=shape or only(),
        payload="identity",
        preprocessing={"resize": RESIZE, "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
        weights_sha256=UNKNOWN_SHA256,
    )


def only_shape(path: Path, axes: str | None = None) -> tuple[int, ...]:
    """The one shape that a file's features can have.

    Raises:
        ValueError: Its axes can mean more than one thing; the message offers each.
    """
    given = tuple(load_features(path, axes).shape)
    if axes is not None:
        return given[1:] if is_batched(axes) else given
    shapes = possible_shapes(given)
    if len(shapes) > 1:
        offers = " or ".join(f"feature_shape=[{','.join(map(str, shape))}] ({what})" for shape, what in shapes.items())
        raise ValueError(f"{path} has shape {given}, which can mean more than one thing; set {offers}")
    return next(iter(shapes))
