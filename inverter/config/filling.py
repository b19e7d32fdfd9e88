"""A schema as it is filled from one source after another."""

from __future__ import annotations

import difflib
from dataclasses import fields, replace
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from inverter.config.errors import ConfigError, one_line
from inverter.config.keys import all_keys
from inverter.config.kinds import KindConfig
from inverter.config.values import join_chains, settle


class Filling:
    """Values of a schema, as far as they are known.

    A section with kinds belongs to the kind that was named last; what was said of the one before is dropped.

    Args:
        schema: Dataclass whose fields, types and defaults say what is allowed.
    """

    def __init__(self, schema: type) -> None:
        self.default = schema()
        self.values = OmegaConf.structured(self.default)

    def add(self, update: DictConfig, origin: str, *, saved: bool = False) -> None:
        """Values of a source that is named ``origin``.

        Args:
            update: Plain data.
            origin: For errors.
            saved: A run saved them, perhaps when a section still had the keys of every kind: those are left out.
        Raises:
            ConfigError: A key is unknown, or a type is wrong.
        """
        try:
            for name in sections(self.default):
                given = update.get(name) if isinstance(update, DictConfig) else None
                if isinstance(given, DictConfig):
                    self._choose_kind(name, given, origin)
                    for key in set(given) & other_keys(sections(self.default)[name]) if saved else ():
                        del given[key]
            join_chains(self.default, update)
            self.values = OmegaConf.merge(self.values, update)
        except OmegaConfBaseException as error:
            key, message = str(error.full_key or error.key), str(error).splitlines()[0]
            said = self._unknown(key) if "not in" in message else f"key {key!r}: {message}"
            raise ConfigError(f"{origin}: {said}") from error
        except TypeError as error:  # a list where keys are, or the other way round
            raise ConfigError(f"{origin}: {one_line(error)}") from error

    def config(self) -> Any:
        """The schema's instance, no OmegaConf object anywhere inside; ``~`` at the start of a text is home.

        Raises:
            ConfigError: A required value is absent, a reference leads nowhere, or a text is empty.
        """
        try:
            missing = sorted(OmegaConf.missing_keys(self.values))
            if missing:
                raise ConfigError(f"required key(s) without a value: {', '.join(missing)} (give {missing[0]}=VALUE)")
            config = OmegaConf.to_object(self.values)
        except OmegaConfBaseException as error:  # an interpolation that leads nowhere
            raise ConfigError(f"key {str(error.full_key)!r}: {str(error).splitlines()[0]}") from error
        try:
            settle(config)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        return config

    def _choose_kind(self, name: str, given: DictConfig, origin: str) -> None:
        section = sections(self.default)[name]
        kind = OmegaConf.to_container(given).get("kind", section.kind)  # type: ignore[union-attr]
        if kind == section.kind or not isinstance(kind, str):
            return
        try:
            section = section.of_kind(kind)
        except ValueError as error:
            raise ConfigError(f"{origin}: {error}") from error
        self.default = replace(self.default, **{name: section})
        self.values[name] = section

    def _unknown(self, key: str) -> str:
        name, _, own = key.partition(".")
        section, known = sections(self.default).get(name), all_keys(self.default)
        if key in known:  # of a file, where a dot separates nothing
            outer, _, last = key.rpartition(".")
            return f"key {key!r} has a dot; in a file, write {last} below {outer}"
        if section is not None:
            allowed = [f"{name}.{each}" for each in all_keys(section)]
            close = [] if own in other_keys(section) else difflib.get_close_matches(key, known, n=3, cutoff=0.4)
            said = f"unknown key {key!r} of {name}.kind={section.kind}"
        else:
            allowed, close = known, difflib.get_close_matches(key, known, n=3, cutoff=0.4)
            said = f"unknown key {key!r}"
        return f"{said}; " + (f"did you mean {', '.join(close)}?" if close else f"allowed: {', '.join(allowed)}")


def sections(config: Any) -> dict[str, KindConfig]:
    """Sections of a config that have kinds, by name."""
    return {
        entry.name: section
        for entry in fields(config)
        if isinstance(section := getattr(config, entry.name), KindConfig)
    }


def other_keys(section: KindConfig) -> set[str]:
    """Keys that other kinds of a section have, and this one has not."""
    return {key for kind in section.kinds() for key in vars(section.of_kind(kind))} - vars(section).keys()
