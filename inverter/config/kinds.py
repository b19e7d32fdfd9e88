"""Sections whose ``kind`` says which keys they have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from inverter.config.keys import find_unread, unread_error


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


def check_read(name: str, section: KindConfig) -> None:
    """Raise ValueError where a key was given that the section's other settings leave without effect."""
    settings = {key: f"{key}={_word(value)}" for key, value in vars(section).items()}
    for key, read_by in find_unread(section, section.of_kind(section.kind), section.readers, settings.values()):
        setting = settings[read_by[0].partition("=")[0]]
        allowed = [f"{name}.{word}" for word in read_by]
        raise unread_error(f"{name}.{key}", getattr(section, key), f"{name}.{setting}", allowed)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
