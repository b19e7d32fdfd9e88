"""Filling a schema from YAML files, left to right, then from ``key=value``."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from inverter.config.errors import ConfigError, one_line
from inverter.config.values import PlainWords, Words, find_reference, read_value, settle

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
        ConfigError: A file is missing or no YAML, a key is unknown, a type is wrong or a required value is absent.
    """
    merged = OmegaConf.structured(schema)
    for file in files:
        path = find_config(file)
        merged = _merge(schema, merged, _read(path, Words), str(path))
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator or not key:
            raise ConfigError(f"argument {override!r} is neither a YAML file nor key=value")
        try:
            update = OmegaConf.create()
            OmegaConf.update(update, key, read_value(schema, key, value))
        except Exception as error:  # PyYAML has many error classes
            raise ConfigError(f"argument {override!r}: {one_line(error)}") from error
        merged = _merge(schema, merged, update, f"argument {override!r}")
    return _filled(merged)


def read_config(schema: type[T], path: Path) -> T:
    """The config that a run saved, perhaps elsewhere: plain values, into which nothing of this machine is filled in.

    Raises:
        ConfigError: As for :func:`load_config`; or it holds a reference.
    """
    values = _read(path, PlainWords)
    if reference := find_reference(OmegaConf.to_container(values)):
        raise ConfigError(f"config file {path} holds the reference {reference!r}; allowed: plain values")
    return _filled(_merge(schema, OmegaConf.structured(schema), values, str(path)))


def config_of(schema: type[T], values: Any) -> T:
    """A schema filled with plain data, such as :func:`dataclasses.asdict` gives.

    Raises:
        ConfigError: A key is unknown, a type is wrong or a required value is absent.
    """
    merged = _merge(schema, OmegaConf.structured(schema), OmegaConf.create(values), "values")
    return OmegaConf.to_object(merged)  # type: ignore[return-value]


def changed_keys(one: Any, other: Any) -> list[str]:
    """Dotted names of the keys in which two configs of one schema differ."""
    return [key for key in _keys(one) if attrgetter(key)(one) != attrgetter(key)(other)]


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


def _filled(merged: DictConfig) -> Any:
    try:
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise ConfigError(f"required key(s) without a value: {', '.join(missing)} (give {missing[0]}=VALUE)")
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:  # an interpolation that leads nowhere
        raise ConfigError(f"key {str(error.full_key)!r}: {str(error).splitlines()[0]}") from error
    try:
        settle(config)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return config


def _merge(schema: type, merged: Any, update: Any, origin: str) -> Any:
    join_chains(schema, update)
    try:
        return OmegaConf.merge(merged, update)
    except OmegaConfBaseException as error:
        key = error.full_key or error.key
        message = str(error).splitlines()[0]
        if "not in" in message:
            known = _keys(schema)
            if key in known:  # of a file, where a dot separates nothing
                outer, _, last = str(key).rpartition(".")
                raise ConfigError(f"{origin}: key {key!r} has a dot; in a file, write {last} below {outer}") from error
            close = difflib.get_close_matches(str(key), known, n=3, cutoff=0.4)
            allowed = f"did you mean {', '.join(close)}?" if close else f"allowed: {', '.join(known)}"
            raise ConfigError(f"{origin}: unknown key {str(key)!r}; {allowed}") from error
        raise ConfigError(f"{origin}: key {str(key)!r}: {message}") from error
    except TypeError as error:  # a list where keys are, or the other way round
        raise ConfigError(f"{origin}: {one_line(error)}") from error


def join_chains(schema: type, values: Any) -> None:
    """Put text in place of lists, in place, where a schema has a chain."""
    if not OmegaConf.is_dict(values):
        return
    kinds = get_type_hints(schema)
    for entry in fields(schema):
        value = values._get_node(entry.name)  # as it is: a reference is not looked up
        if is_dataclass(kinds[entry.name]):
            join_chains(kinds[entry.name], value)
        elif "chain" in entry.metadata and OmegaConf.is_list(value):
            values[entry.name] = entry.metadata["chain"].join(map(str, value))


def _keys(schema: Any, prefix: str = "") -> list[str]:
    """Dotted names of every key of a schema."""
    default = schema() if isinstance(schema, type) else schema
    names: list[str] = []
    for entry in fields(default):
        value = getattr(default, entry.name)
        if is_dataclass(value):
            names += _keys(value, f"{prefix}{entry.name}.")
        else:
            names.append(prefix + entry.name)
    return names
