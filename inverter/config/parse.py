"""JSON and YAML of unknown origin to plain data: nothing is executed, and whatever is wrong is a ValueError."""

from __future__ import annotations

import json
from typing import Any

import yaml

from inverter.config.errors import one_line

DEEPEST = 100
"""Lists and mappings inside each other; libyaml's loader would end the process at some ten thousand."""


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
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            refuse_reference(event)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError(f"nested more than {DEEPEST} times")
        return yaml.load(text, Loader=loader)
    except Exception as error:  # what a tag announces and a value is not fails with errors of many classes
        raise ValueError(f"no valid YAML: {one_line(error)}") from error


def refuse_reference(event: yaml.Event) -> None:
    """Raise ValueError where a YAML event is an anchor or a reference to one."""
    if anchor := getattr(event, "anchor", None):
        sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
        raise ValueError(f"reference {sign}{anchor}; allowed: plain values")


class PlainLoader(yaml.SafeLoader):
    """YAML without anchors and references."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        refuse_reference(self.peek_event())
        return super().compose_node(parent, index)
