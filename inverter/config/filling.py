"""A schema as it is filled from one source after another."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from inverter.config.errors import ConfigError, one_line
from inverter.config.keys import all_keys
from inverter.config.kinds import KindConfig, sections
from inverter.config.values import join_chains, settle


class Filling:
    """Values of a schema, as far as they are known.

    A section with kinds is of the kind that was named last. A source whose section names its kind belongs to it, and is
    dropped where another one was named later; one whose section names none is applied to the kind chosen in the end.

    Args:
        schema: Dataclass whose fields, types and defaults say what is allowed.
    """

    def __init__(self, schema: type) -> None:
        self.default = schema()
        self.values = OmegaConf.structured(self.default)

    def choose_kinds(self, update: DictConfig, origin: str, *, saved: bool = False) -> None:
        """Take the kinds that a source names; all sources are asked before the first one is added.

        Args:
            update: Plain data.
            origin: For errors.
            saved: A run saved it, perhaps when a section still had the keys of every kind: those are removed.
        Raises:
            ConfigError: There is no such kind, or it has not the keys beside it.
        """
        with self._errors_of(origin):
            for name, given, kind in self._sections_of(update):
                section = sections(self.default)[name]
                if kind not in (None, section.kind):
                    section = section.of_kind(kind)  # type: ignore[arg-type]
                    self.default = replace(self.default, **{name: section})
                    self.values[name] = section
                for key in set(given) & other_keys(section) if saved else ():
                    del given[key]
                if kind is not None:
                    join_chains(section, given)
                    OmegaConf.merge(self.values, {name: given})

    def add(self, update: DictConfig, origin: str) -> None:
        """Add the values of a source, but for sections that name another kind than the one chosen.

        Args:
            update: Plain data.
            origin: For errors.
        Raises:
            ConfigError: A key is unknown, or a type is wrong.
        """
        with self._errors_of(origin):
            for name, _, kind in self._sections_of(update):
                if kind not in (None, sections(self.default)[name].kind):
                    del update[name]
            join_chains(self.default, update)
            self.values = OmegaConf.merge(self.values, update)

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

    def _sections_of(self, update: Any) -> Iterator[tuple[str, DictConfig, str | None]]:
        """Name, contents and, where it names one, kind of each section with kinds that a source has."""
        for name in sections(self.default):
            given = update.get(name) if isinstance(update, DictConfig) else None
            if isinstance(given, DictConfig):
                kind = OmegaConf.to_container(given).get("kind")  # type: ignore[union-attr]
                yield name, given, kind if isinstance(kind, str) else None

    @contextmanager
    def _errors_of(self, origin: str) -> Iterator[None]:
        try:
            yield
        except OmegaConfBaseException as error:
            key, message = str(error.full_key or error.key), str(error).splitlines()[0]
            message = self._unknown(key) if "not in" in message else f"key {key!r}: {message}"
            raise ConfigError(f"{origin}: {message}") from error
        except (TypeError, ValueError) as error:  # a list where keys are, or the other way round; an unknown kind
            raise ConfigError(f"{origin}: {one_line(error)}") from error

    def _unknown(self, key: str) -> str:
        name, _, own = key.partition(".")
        section, known = sections(self.default).get(name), all_keys(self.default)
        if key in known:  # of a file, where a dot separates nothing
            outer, _, last = key.rpartition(".")
            return f"key {key!r} has a dot; in a file, write {last} below {outer}"
        if section is not None:
            allowed = [f"{name}.{each}" for each in all_keys(section)]
            near = [] if own in other_keys(section) else difflib.get_close_matches(own, all_keys(section))
            close = [f"{name}.{each}" for each in near]
            message = f"unknown key {key!r} of {name}.kind={section.kind}"
        else:
            allowed, close = known, difflib.get_close_matches(key, known, n=3, cutoff=0.4)
            message = f"unknown key {key!r}"
        return f"{message}; " + (f"did you mean {', '.join(close)}?" if close else f"allowed: {', '.join(allowed)}")


def other_keys(section: KindConfig) -> set[str]:
    """Keys that other kinds of a section have, and this one has not."""
    return {key for kind in section.kinds() for key in vars(section.of_kind(kind))} - vars(section).keys()
