"""Keys of schemas by dotted name: all, those that were changed, and those that nothing reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any


def all_keys(config: Any, prefix: str = "") -> list[str]:
    """Dotted names of every key of a config."""
    names: list[str] = []
    for entry in fields(config):
        value = getattr(config, entry.name)
        names += all_keys(value, f"{prefix}{entry.name}.") if is_dataclass(value) else [prefix + entry.name]
    return names


def leaf_keys(values: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of the keys of nested mappings, such as words of the command line hold."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from leaf_keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def changed_keys(one: Any, other: Any) -> list[str]:
    """Dotted names of the keys in which two configs of one schema differ."""
    return [key for key in all_keys(one) if attrgetter(key)(one) != attrgetter(key)(other)]


class Selective(ABC):
    """A schema some of whose keys are read with some of its settings only."""

    @abstractmethod
    def unread(self) -> Iterator[tuple[str, str, list[str]]]:
        """Keys that differ from their defaults and that nothing reads: key, setting, and the settings that read it."""


def find_unread(
    config: Any, default: Any, readers: Mapping[str, Sequence[str]], settings: Collection[str]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Keys that differ from their defaults and that nothing reads, and the settings that would read them.

    Args:
        config: Of any schema.
        default: Its defaults.
        readers: Key, or section, to the settings that read it; others are read with all.
        settings: Those of the config.
    """
    for key in changed_keys(config, default):
        read_by = readers.get(key.partition(".")[0])
        if read_by is not None and not set(read_by) & set(settings):
            yield key, read_by


def unread_error(key: str, value: Any, setting: str, read_by: Sequence[str]) -> ValueError:
    """What is said of a key that asks for something that nothing reads."""
    return ValueError(f"{key} is {value!r}, which {setting} does not read; allowed: with {', '.join(read_by)}")
