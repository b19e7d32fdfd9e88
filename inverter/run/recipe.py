"""What decides a result: whether a stopped run may go on in a folder, and what changed where it may not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any


class Recipe:
    """Settings, and hashes of weights and inputs, by dotted name; those that change no result are left out.

    Args:
        values: Plain data or dataclasses, nested.
        ignored: Dotted names without effect on the result; one that ends in a dot stands for all that begin so.
        defaults: What a setting was that an earlier recipe does not know yet; None: of a dataclass its own defaults, of
            the settings that it has.
    """

    def __init__(self, values: Any, ignored: Sequence[str] = (), defaults: Any = None) -> None:
        self.ignored = tuple(ignored)
        self.values = self._flat(values)
        self.defaults = self._flat(defaults or {})
        if defaults is None and is_dataclass(values):
            own = self._flat(type(values)())  # type: ignore[misc]
            self.defaults = {name: own[name] for name in own.keys() & self.values.keys()}

    def changes(self, earlier: Any) -> list[str]:
        """``name=there, now value`` of each setting that an earlier recipe had otherwise.

        Args:
            earlier: Its values, nested or by dotted name.
        """
        there, now = self.defaults | self._flat(earlier), self.values
        names = sorted(there.keys() | now.keys())
        return [f"{n}={there.get(n)!r}, now {now.get(n)!r}" for n in names if there.get(n) != now.get(n)]

    def check(self, earlier: Any, subject: str, advice: str = "choose another output or delete it") -> None:
        """Raise ValueError where an earlier recipe was another one: ``SUBJECT was made with CHANGES; ADVICE``."""
        if changes := self.changes(earlier):
            raise ValueError(f"{subject} was made with {'; '.join(changes)}; {advice}")

    def _flat(self, values: Any, prefix: str = "") -> dict[str, Any]:
        values = asdict(values) if is_dataclass(values) and not isinstance(values, type) else values
        if not isinstance(values, Mapping):
            name = prefix[:-1]
            left_out = any(name == known or (known.endswith(".") and name.startswith(known)) for known in self.ignored)
            return {} if left_out else {name: json.loads(json.dumps(values))}
        return {k: v for key, value in values.items() for k, v in self._flat(value, f"{prefix}{key}.").items()}
