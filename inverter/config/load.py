"""Filling a schema from YAML files, left to right, then from ``key=value``."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import DictConfig, OmegaConf

from inverter.config.errors import ConfigError, one_line
from inverter.config.filling import Filling
from inverter.config.keys import leaf_keys
from inverter.config.kinds import check_read, sections
from inverter.config.values import PlainWords, Words, find_reference, read_value

T = TypeVar("T")
YAML = (".yaml", ".yml")
OmegaConf.register_resolver("slug", lambda text: re.sub(r"[^\w.-]+", "-", str(text)), replace=True)  # makes a file name


def load_config(schema: type[T], files: Sequence[str | Path] = (), overrides: Sequence[str] = ()) -> T:
    """Fill a schema from YAML files, left to right, then from ``key=value`` overrides.

    Args:
        schema: Dataclass whose fields, types and defaults say what is allowed.
        files: YAML files; each holds only keys of the schema. A name without a folder is also looked up among the
            configs that come with the project.
        overrides: ``dotted.key=value`` strings; the value is text where the schema has text, ``null`` is None, and YAML
            stands for lists and further keys.
    Returns:
        An instance of ``schema``, no OmegaConf object anywhere inside; ``~`` at the start of a text is home.
    Raises:
        ConfigError: A file is missing or no YAML, a key is unknown, a type is wrong, a required value is absent, or an
            override gives a section's key that the other settings leave without effect; in a file that is a warning.
    """
    filling = Filling(schema)
    given = [(_read(path, Words), str(path)) for path in map(find_config, files)]
    for update, origin in [*given, *(_parse(filling, word) for word in overrides if _names_kind(filling, word))]:
        filling.choose_kinds(update, origin)
    words = [_parse(filling, word) for word in overrides]
    for update, origin in [*given, *words]:
        filling.add(update, origin)
    config = filling.config()
    try:
        check_read(config, {key for word, _ in words for key in leaf_keys(OmegaConf.to_container(word))})
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return config


def load_words(schema: type[T], words: Sequence[str]) -> T:
    """As :func:`load_config` of words as the command line has them: YAML files and ``key=value``, in any order.

    Raises:
        ConfigError: As for :func:`load_config`.
    """
    files = [word for word in words if word.endswith(YAML) and names_file(schema, word)]
    return load_config(schema, files, [word for word in words if word not in files])


def show_defaults(schema: type, words: Sequence[str] = ()) -> str:
    """YAML of a schema's keys and defaults; of a section with kinds, those of the kind that a word names.

    Raises:
        ConfigError: There is no such kind.
    """
    filling = Filling(schema)
    for word in words:
        if _names_kind(filling, word):
            filling.choose_kinds(*_parse(filling, word))
    return OmegaConf.to_yaml(filling.values)


def read_config(schema: type[T], path: Path) -> T:
    """The config that a run saved, perhaps elsewhere: plain values, into which nothing of this machine is filled in.

    Raises:
        ConfigError: As for :func:`load_config`; or it holds a reference.
    """
    values = _read(path, PlainWords)
    if reference := find_reference(OmegaConf.to_container(values)):
        raise ConfigError(f"config file {path} holds the reference {reference!r}; allowed: plain values")
    filling = Filling(schema)
    filling.choose_kinds(values, str(path), saved=True)
    filling.add(values, str(path))
    return filling.config()


def config_of(schema: type[T], values: Any) -> T:
    """A schema filled with plain data, such as :func:`dataclasses.asdict` gives.

    Raises:
        ConfigError: A key is unknown, a type is wrong or a required value is absent.
    """
    filling, update = Filling(schema), OmegaConf.create(values)
    filling.choose_kinds(update, "values", saved=True)
    filling.add(update, "values")
    return OmegaConf.to_object(filling.values)  # type: ignore[return-value]


def names_file(schema: type, word: str) -> bool:
    """Whether a word of the command line is a path or a name, which may hold ``=``, and not ``key=value``."""
    key, separator, _ = word.partition("=")
    if not separator or re.search(r"[/\\:]", key):
        return True
    return key.partition(".")[0] not in {entry.name for entry in fields(schema)} and os.path.exists(word)  # type: ignore[arg-type]  # noqa: PTH110 (Path.exists refuses long words)


def find_config(file: str | Path) -> Path:
    """Path of a config file: as given, or, where a name or ``configs/NAME`` was given, that of the project.

    Raises:
        ConfigError: There is none, or it is a folder.
    """
    given, root = Path(file).expanduser(), config_root()
    if given.is_dir():
        raise ConfigError(f"config file {str(file)!r} is a folder; allowed: a YAML file")
    own = str(file).removeprefix(f"{root.name}/")
    for path in (given, *([root / own] if not re.search(r"[/\\]", own) else [])):
        if path.is_file():
            return path
    known = sorted(str(path.relative_to(root)) for path in root.rglob("*.yaml"))
    close = difflib.get_close_matches(given.name, known, n=3)
    raise ConfigError(
        f"config file {str(file)!r} does not exist; "
        + (f"did you mean {', '.join(close)}? " if close else "")
        + f"configs that come with inverter: {', '.join(known)}"
    )


def config_root() -> Path:
    """Folder of the project's configs: ``configs/`` of a checkout, or the copy inside an installed wheel."""
    checkout = Path(__file__).parents[2] / "configs"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "configs"


def _names_kind(filling: Filling, word: str) -> bool:
    return word.startswith(tuple(f"{name}{end}" for name in sections(filling.default) for end in ("=", ".kind=")))


def _parse(filling: Filling, override: str) -> tuple[DictConfig, str]:
    """Plain data of a word of the command line, and how errors name it."""
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"argument {override!r} is neither a YAML file nor key=value")
    try:
        update = OmegaConf.create()
        OmegaConf.update(update, key, read_value(filling.default, key, value))
    except Exception as error:  # PyYAML has many error classes
        raise ConfigError(f"argument {override!r}: {one_line(error)}") from error
    return update, f"argument {override!r}"


def _read(path: Path, loader: type[yaml.SafeLoader]) -> DictConfig:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
        if not isinstance(values, dict | None):
            raise ValueError(f"it is a {type(values).__name__}; allowed: keys with values")
        return OmegaConf.create(values or {})
    except OSError as error:
        raise ConfigError(f"config file {path} cannot be read: {one_line(error)}") from error
    except Exception as error:  # PyYAML has many error classes
        raise ConfigError(f"config file {path} is not valid YAML: {one_line(error)}") from error
