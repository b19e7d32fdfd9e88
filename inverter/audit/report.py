"""What reports share as plain data: ``report.json`` with its schema version, and its strict reader."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

from inverter.config.strict import read_strictly
from inverter.run.files import write_text


class Report:
    """Base of strict dataclasses that are kept as ``report.json``."""

    kind: ClassVar[str]
    """Begins the messages."""
    schema_version: ClassVar[int]

    def check(self) -> None:
        """Raise ValueError where the conclusions do not follow from what they are drawn from."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Plain data; :meth:`from_json` reads it back."""
        return {"schema_version": self.schema_version, **asdict(self)}  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read what :meth:`to_json` gave.

        Raises:
            ValueError: Another schema version, a key missing or unknown, a value of another type, or as :meth:`check`.
        """
        values = dict(data) if isinstance(data, Mapping) else {}
        version = values.pop("schema_version", None)
        if version != cls.schema_version:
            raise ValueError(f"{cls.kind}: schema_version is {version!r}; allowed: {cls.schema_version}")
        report = read_strictly(cls.kind, cls, values)
        report.check()
        return report

    def save(self, path: Path) -> None:
        """Write :meth:`to_json` to a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a ``report.json``.

        Raises:
            ValueError: The file is missing, is no JSON, or breaks the schema; the message names the file.
        """
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{path}: {error}") from error


class Attacked:
    """Base of what a report says of one attack, ``cost`` with ``pairs`` and ``pairs_seen`` among it."""

    cost: dict[str, float]

    @property
    def trained(self) -> bool:
        """Whether the attack saw all its pairs; what one that did not finds is no limit to anything."""
        return self.cost.get("pairs_seen", 0.0) >= self.cost.get("pairs", math.inf)
