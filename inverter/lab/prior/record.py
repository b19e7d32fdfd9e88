"""What was measured of a prior, part by part, in one JSON file that a stopped measurement goes on from."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inverter.config.parse import parse_json
from inverter.lab.prior.config import EvaluatePriorConfig
from inverter.run.files import write_text
from inverter.run.recipe import Recipe

log = logging.getLogger(__name__)
SCHEMA_VERSION = 1
ADVICE = "measure into a new output, or set resume=false"
FILE = "prior_metrics.json"


class PriorRecord:
    """Parts of a measurement by name, each plain data, written after each part; a part that is there is kept.

    Args:
        output: Folder of ``prior_metrics.json``.
        subject: What is measured and how: plain data that parts of one record share.
        resume: Go on from the file where it is there.
    Raises:
        ValueError: The file cannot be read, or is of another subject or schema version.
    """

    def __init__(self, output: Path, subject: dict[str, Any], resume: bool = True) -> None:
        self.path, self.subject = output / FILE, json.loads(json.dumps(subject))
        self.parts: dict[str, Any] = self._read() if resume and self.path.is_file() else {}

    def part(self, name: str, measure: Callable[[], Any]) -> Any:
        """The part of this name; it is measured, and the file written, where it is not there yet.

        None where ``measure`` finds nothing to measure; the file is left as it is.
        """
        if name not in self.parts:
            log.info("measure %s", name)
            if (values := measure()) is None:
                return None
            self.parts[name] = json.loads(json.dumps(values))
            self.save()
        return self.parts[name]

    def save(self) -> None:
        """Write the file; a crash leaves the old one or the new one."""
        whole = {"schema_version": SCHEMA_VERSION, "subject": self.subject, "parts": self.parts}
        write_text(self.path, json.dumps(whole, indent=2) + "\n")

    def _read(self) -> dict[str, Any]:
        try:
            values = parse_json(self.path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}; {ADVICE}") from error
        if not isinstance(values, dict) or values.get("schema_version") != SCHEMA_VERSION:
            version = values.get("schema_version") if isinstance(values, dict) else None
            raise ValueError(f"{self.path} has schema_version {version!r}; allowed: {SCHEMA_VERSION}; {ADVICE}")
        Recipe(self.subject).check(_completed(values.get("subject")), str(self.path), ADVICE)
        if not isinstance(parts := values.get("parts"), dict) or not all(
            isinstance(part, dict) for part in parts.values()
        ):
            raise ValueError(f"{self.path} has parts {str(parts)[:200]}; allowed: an object of objects; {ADVICE}")
        return parts


def _completed(subject: Any) -> Any:
    """A subject with the setting that records of older versions do not say."""
    match subject:
        case {"config": dict(config)}:
            return {**subject, "config": {"num_speed": EvaluatePriorConfig.num_speed, **config}}
    return subject
