"""JSON and YAML of unknown origin to plain data: nothing is executed, and whatever is wrong is a ValueError."""

from __future__ import annotations

import json
from typing import Any

import yaml

from inverter.config.errors import one_line


def parse_json(text: str | bytes) -> Any:
    """Plain data of a JSON text.

    Raises:
        ValueError: It is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no valid JSON: {one_line(error)}") from error


def parse_yaml(text: str | bytes) -> Any:
    """Plain data of a YAML text without references, which could unfold to any size.

    Raises:
        ValueError: It is no YAML, refers to itself, names a Python object, or is nested too deeply.
    """
    try:
        return yaml.load(text, Loader=PlainLoader)
    except Exception as error:  # what a tag announces and a value is not fails with errors of many classes
        raise ValueError(f"no valid YAML: {one_line(error)}") from error


class PlainLoader(yaml.SafeLoader):
    """YAML without anchors and references."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if anchor := getattr(event, "anchor", None):
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            raise ValueError(f"reference {sign}{anchor}; allowed: plain values")
        return super().compose_node(parent, index)
