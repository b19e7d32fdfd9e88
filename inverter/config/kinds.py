"""Sections whose ``kind`` says which keys they have."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, ClassVar

from inverter.config.keys import Selective, find_unread, unread_error

log = logging.getLogger(__name__)


@dataclass
class KindConfig(ABC):
    """A section of which each kind has a subclass with the keys that it reads."""

    kind: str

    readers: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Key to the settings that read it, such as ``tune=lora``; others are always read."""

    @classmethod
    @abstractmethod
    def kinds(cls) -> tuple[str, ...]:
        """Names of all kinds."""

    @classmethod
    @abstractmethod
    def of_kind(cls, kind: str) -> KindConfig:
        """A kind's section with its defaults.

        Raises:
            ValueError: There is none of this name.
        """


def sections(config: Any) -> dict[str, KindConfig]:
    """Sections of a config that have kinds, by name."""
    return {
        entry.name: section
        for entry in fields(config)
        if isinstance(section := getattr(config, entry.name), KindConfig)
    }


def unread_keys(config: Any) -> list[str]:
    """Dotted names of the keys that the other settings of their sections leave without effect."""
    return [
        f"{name}.{key}"
        for name, section in sections(config).items()
        for key, read_by in section.readers.items()
        if not set(read_by) & set(_settings(section).values())
    ]


def check_read(config: Any, words: Collection[str]) -> None:
    """Look for keys of sections without effect among those that differ from their defaults.

    One that a file gave is a warning; of a :class:`Selective` schema its stage gives it.

    Args:
        config: Of any schema.
        words: Dotted names of the keys that the command line gave.
    Raises:
        ValueError: The command line gave one.
    """
    for name, section in sections(config).items():
        settings = _settings(section)
        for key, read_by in find_unread(section, section.of_kind(section.kind), section.readers, settings.values()):
            setting = f"{name}.{settings[read_by[0].partition('=')[0]]}"
            allowed = [f"{name}.{each}" for each in read_by]
            if f"{name}.{key}" in words:
                raise unread_error(f"{name}.{key}", getattr(section, key), setting, allowed)
            log.warning("%s.%s has no effect with %s; it is read with %s", name, key, setting, ", ".join(allowed))
    for key, setting, allowed in config.unread() if isinstance(config, Selective) else ():
        if "." in key and key in words:
            raise unread_error(key, attrgetter(key)(config), setting, allowed)


def _settings(section: KindConfig) -> dict[str, str]:
    """``key=value`` by key, as words of the command line."""
    return {key: f"{key}={str(v).lower() if isinstance(v, bool) else v}" for key, v in vars(section).items()}
