"""Parts by name: a file in a package registers what it holds, and nothing else names it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def deferred(name: str) -> Callable[..., Any]:
    """The function ``MODULE:NAME``, imported when it is called: what registers it may so be read without torch."""
    return lambda *given: pkgutil.resolve_name(name)(*given)


class Registry(Generic[T]):
    """Parts of one kind by name, found in the files of a package, which are imported when a part is first asked for.

    Args:
        key: Of the configuration that names a part, such as ``method``.
        package: Whose files register parts, such as ``inverter.whitebox``.
    """

    def __init__(self, key: str, package: str) -> None:
        self.key, self.package = key, package
        self._parts: dict[str, T] = {}
        self._complete = False

    def register(self, name: str, part: T) -> T:
        """Add a part.

        Raises:
            ValueError: There is another one of this name.
        """
        if self._parts.get(name, part) is not part:
            raise ValueError(f"{self.key}={name!r} is registered twice; allowed: each name once")
        self._parts[name] = part
        return part

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        if not self._complete:
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self.package}.{module.name}")
            self._complete = True
        return tuple(sorted(self._parts))

    def __getitem__(self, name: str) -> T:
        """The part of a name.

        Raises:
            ValueError: There is none.
        """
        if name not in self._parts and name not in self.names():
            raise ValueError(f"{self.key} is {name!r}; allowed: {', '.join(self.names())}")
        return self._parts[name]
