"""Filling a schema from YAML files, left to right, then from ``key=value``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from inverter.config.errors import ConfigError, one_line

T = TypeVar("T")
OmegaConf.register_resolver("slug", lambda text: re.sub(r"[^\w.-]+", "-", str(text)), replace=True)  # makes a file name


class Words(yaml.SafeLoader):
    """YAML whose scalars stay words but for null: the schema says what they are, and a layer ``1.10`` is not 1.1."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, form) for tag, form in resolvers if tag.endswith((":null", ":merge"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise yaml.constructor.ConstructorError(problem=f"key {twice!r} occurs twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


Words.add_implicit_resolver(  # no word: what a float beyond all others, and none, are written as
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), list("-+.")
)


def load_config(schema: type[T], files: Sequence[str | Path] = (), overrides: Sequence[str] = ()) -> T:
    """Fill a schema from YAML files, left to right, then from ``key=value`` overrides.

    Args:
        schema: Dataclass whose fields, types and defaults say what is allowed.
        files: YAML files; each holds only keys of the schema. A name without a folder is also looked up among the
            configs that come with the project.
        overrides: ``dotted.key=value`` strings; the value is YAML.
    Returns:
        An instance of ``schema``, no OmegaConf object anywhere inside.
    Raises:
        ConfigError: A file is missing or no YAML, a key is unknown, a type is wrong or a required value is absent.
    """
    merged = OmegaConf.structured(schema)
    for file in files:
        path = find_config(file)
        try:
            loaded = OmegaConf.create(_parse(path.read_text(encoding="utf-8")) or {})
        except Exception as error:  # PyYAML has many error classes
            raise ConfigError(f"config file {path} is not valid YAML: {one_line(error)}") from error
        merged = _merge(schema, merged, loaded, str(path))
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator or not key:
            raise ConfigError(f"argument {override!r} is neither a YAML file nor key=value")
        try:
            update = OmegaConf.create()
            OmegaConf.update(update, key, _parse(value))
        except Exception as error:
            raise ConfigError(f"argument {override!r} is not valid YAML: {one_line(error)}") from error
        merged = _merge(schema, merged, update, f"argument {override!r}")
    try:
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise ConfigError(f"required key(s) without a value: {', '.join(missing)} (give {missing[0]}=VALUE)")
        return OmegaConf.to_object(merged)  # type: ignore[return-value]
    except OmegaConfBaseException as error:  # an interpolation that leads nowhere
        raise ConfigError(f"key {str(error.full_key)!r}: {str(error).splitlines()[0]}") from error


def config_of(schema: type[T], values: Any) -> T:
    """A schema filled with plain data, such as :func:`dataclasses.asdict` gives.

    Raises:
        ConfigError: A key is unknown, a type is wrong or a required value is absent.
    """
    merged = _merge(schema, OmegaConf.structured(schema), OmegaConf.create(values), "values")
    return OmegaConf.to_object(merged)  # type: ignore[return-value]


def changed_keys(one: Any, other: Any) -> list[str]:
    """Dotted names of the keys in which two configs of one schema differ."""
    before, after = OmegaConf.structured(one), OmegaConf.structured(other)
    return [key for key in _keys(one) if OmegaConf.select(before, key) != OmegaConf.select(after, key)]


def find_config(file: str | Path) -> Path:
    """Path of a config file: as given, or among the configs that come with the project."""
    given = Path(file)
    for path in (given, config_root() / given, config_root() / given.name):
        if path.is_file():
            return path
    known = sorted(str(path.relative_to(config_root())) for path in config_root().rglob("*.yaml"))
    raise ConfigError(f"config file {str(file)!r} does not exist; configs that come with inverter: {', '.join(known)}")


def config_root() -> Path:
    """Folder of the project's configs: ``configs/`` of a checkout, or the copy inside an installed wheel."""
    checkout = Path(__file__).parents[2] / "configs"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "configs"


def _parse(text: str) -> Any:
    return yaml.load(text, Loader=Words)  # a SafeLoader


def _merge(schema: type, merged: Any, update: Any, origin: str) -> Any:
    try:
        return OmegaConf.merge(merged, update)
    except OmegaConfBaseException as error:
        key = error.full_key or error.key
        message = str(error).splitlines()[0]
        if "not in" in message:
            known = _keys(schema)
            close = difflib.get_close_matches(str(key), known, n=3, cutoff=0.4)
            allowed = f"did you mean {', '.join(close)}?" if close else f"allowed: {', '.join(known)}"
            raise ConfigError(f"{origin}: unknown key {str(key)!r}; {allowed}") from error
        raise ConfigError(f"{origin}: key {str(key)!r}: {message}") from error
    except TypeError as error:  # a list where keys are, or the other way round
        raise ConfigError(f"{origin}: {one_line(error)}") from error


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
