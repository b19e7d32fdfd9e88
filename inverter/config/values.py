"""Values of a config: what a word of the command line means, and what no value of any file may be."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, get_args, get_type_hints

import yaml
from omegaconf import OmegaConf

from inverter.config.parse import PlainLoader

TEXT = {"text": True}
"""Metadata of a field whose words are taken as they are: no home, no references, and it may be empty."""

CHAIN = {"chain": "+"}
"""Metadata of a field of text that may be given as a list, whose texts are then joined by what is said."""

SEEDS = 2**32
"""As many as NumPy's seeds."""

_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_REFERENCE = re.compile(r"(\\*)\$\{")
_HOME = re.compile(r"(?P<kind>(?:\w+:)?)(?P<home>~[^/]*)(?P<rest>.*)", re.DOTALL)


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
    "tag:yaml.org,2002:float", _INFINITE, list("-+.")
)


class PlainWords(PlainLoader, Words):
    """The same without anchors and references."""


def read_value(default: Any, key: str, text: str) -> Any:
    """What the text behind ``key=`` stands for in a schema, of which ``default`` is an instance.

    Text, where the schema has text; ``null`` is None; YAML where it has a list or further keys.

    Raises:
        ValueError: It is no YAML, or its YAML names or uses an anchor; or it is ``???``, OmegaConf's word for none yet.
    """
    kinds, metadata = declared(default, key)
    if text == "???":
        raise ValueError("'???' stands for a value that is not given yet")
    if text == "null":
        return None
    if "text" in metadata:
        return literal(text)
    if "chain" in metadata and text.startswith("["):
        return yaml.load(text, Loader=PlainWords)  # a SafeLoader
    if float in kinds and _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if not kinds or kinds & {str, int, float, bool}:
        return text
    value = yaml.load(text, Loader=PlainWords)  # a SafeLoader
    allowed = dict if any(map(is_dataclass, kinds)) else list
    if not isinstance(value, allowed):
        raise ValueError(f"allowed: {f'{key}.KEY=VALUE' if allowed is dict else f'a list, such as {key}=[a,b]'}")
    return value


def declared(default: Any, key: str) -> tuple[set[Any], Mapping[str, Any]]:
    """Types that a schema declares for a dotted key, none where it has no such key, and the field's metadata."""
    *outer, last = key.split(".")
    for name in outer:
        default = getattr(default, name, None)
        if not is_dataclass(default):
            return set(), {}
    entry = next((entry for entry in fields(default) if entry.name == last), None)
    if entry is None:
        return set(), {}
    kind = get_type_hints(type(default))[last]
    return {*(get_args(kind) if type(None) in get_args(kind) else (kind,))} - {type(None)}, entry.metadata


def literal(value: Any) -> Any:
    """A value whose texts OmegaConf reads as they are: ``${`` begins no reference."""
    if isinstance(value, dict):
        return {key: literal(each) for key, each in value.items()}
    if isinstance(value, list):
        return list(map(literal, value))
    return _REFERENCE.sub(r"\1\1\\${", value) if isinstance(value, str) else value


def find_reference(value: Any) -> str | None:
    """The first text in plain data that OmegaConf would take for a reference, ``${...}``."""
    if isinstance(value, dict | list):
        each = value.values() if isinstance(value, dict) else value
        return next(filter(None, map(find_reference, each)), None)
    references = _REFERENCE.finditer(value) if isinstance(value, str) else ()
    return value if any(len(match[1]) % 2 == 0 for match in references) else None


def join_chains(default: Any, values: Any) -> None:
    """Put text in place of lists, in place, where a schema, of which ``default`` is an instance, has a chain."""
    if not OmegaConf.is_dict(values):
        return
    for entry in fields(default):
        value = values._get_node(entry.name)  # as it is: a reference is not looked up
        if is_dataclass(section := getattr(default, entry.name)):
            join_chains(section, value)
        elif "chain" in entry.metadata and OmegaConf.is_list(value):
            values[entry.name] = entry.metadata["chain"].join(map(str, value))


def settle(config: Any, prefix: str = "") -> None:
    """Put home in place of ``~`` in a filled config, in place; free text is left as it is.

    Raises:
        ValueError: A text is empty, ``~NAME`` names no user, or a seed is none that every library takes.
    """
    for entry in fields(config):
        value, key = getattr(config, entry.name), f"{prefix}{entry.name}"
        if is_dataclass(value):
            settle(value, f"{key}.")
        elif isinstance(value, list):
            for each in filter(is_dataclass, value):
                settle(each, f"{key}.")
            setattr(config, entry.name, [_settled(each, key) if isinstance(each, str) else each for each in value])
        elif entry.name == "seed" and not 0 <= value < SEEDS:
            raise ValueError(f"{key} is {value}; allowed: 0 to {SEEDS - 1}")
        elif isinstance(value, str) and "text" not in entry.metadata:
            setattr(config, entry.name, _settled(value, key))


def _settled(text: str, key: str) -> str:
    if not text:
        raise ValueError(f"{key} is ''; allowed: a value that is not empty, or null where the key may be without one")
    home_path = _HOME.fullmatch(text)
    if not home_path:
        return text
    home = os.path.expanduser(home_path["home"])  # noqa: PTH111 (Path.expanduser raises what is no ValueError)
    if home == home_path["home"]:
        raise ValueError(f"{key} is {text!r}, and there is no user {home[1:]!r}; allowed: ~/ for home, ./~ for a name")
    return f"{home_path['kind']}{home}{home_path['rest']}"
