"""What schemas say of their keys: the comments beside the fields, and the values that these or the types name."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from typing import Any

from inverter.config.kinds import KindConfig

CHOICES = re.compile(r"[\w.:+-]+(?: \| [\w.:+-]+)+")


def comments(schema: type) -> dict[str, str]:
    """What the comments beside the fields of a dataclass and of its bases say; empty where there is none."""
    comments_of: dict[str, str] = {}
    for owner in reversed([one for one in schema.__mro__ if dataclasses.is_dataclass(one)]):
        source = textwrap.dedent(inspect.getsource(owner))
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        notes = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
        for entry in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
            if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name):
                last = entry.end_lineno or entry.lineno
                texts = [notes[line] for line in range(entry.lineno, last + 1) if line in notes]
                while texts and last + 1 in notes and source.splitlines()[last].lstrip().startswith("#"):
                    last += 1
                    texts.append(notes[last])
                comments_of[entry.target.id] = " ".join(texts)
    return comments_of


def key_words(config: Any, prefix: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Dotted name of every key of a schema, those of all kinds among them, and the values known of it.

    Args:
        config: A schema with its defaults.
        prefix: Of the names.
    """
    descriptions = comments(type(config))
    for entry in dataclasses.fields(config):
        value, key = getattr(config, entry.name), f"{prefix}{entry.name}"
        if isinstance(config, KindConfig) and entry.name == "kind":
            continue
        if isinstance(value, KindConfig):
            yield f"{key}.kind", value.kinds()
            yield from {
                row[0]: row for kind in value.kinds() for row in key_words(value.of_kind(kind), f"{key}.")
            }.values()
        elif dataclasses.is_dataclass(value):
            yield from key_words(value, f"{key}.")
        elif isinstance(value, bool):
            yield key, ("true", "false")
        else:
            choices = CHOICES.search(descriptions[entry.name])
            yield key, tuple(choices[0].split(" | ")) if choices else ()
