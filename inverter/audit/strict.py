"""Plain data into dataclasses, exactly: every key there and no other, every value of its declared type."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def decode(kind: type[T], value: Any, where: str) -> T:
    """Build a value of type ``kind`` from what JSON gave.

    Args:
        kind: A dataclass, ``str``, ``int``, ``float`` (finite), ``bool``, ``None``, ``X | Y``, ``tuple[X, ...]``,
            ``dict[str, X]`` or ``Any``.
        value: Plain data.
        where: What it is, for the message.
    Raises:
        ValueError: A key is missing or unknown, or a value has another type; the message says where.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is types.UnionType:
        return _either(arguments, value, where)
    if is_dataclass(kind):
        return _record(kind, value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))  # type: ignore[return-value]
    if origin is dict and isinstance(value, dict):
        return {key: decode(arguments[1], item, f"{where}[{key!r}]") for key, item in value.items()}  # type: ignore[return-value]
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)  # type: ignore[return-value]
    if kind is not float and type(value) is kind:
        return value
    raise ValueError(f"{where}: {_short(value)} is no {getattr(kind, '__name__', kind)}")


def _either(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    (kind,) = (kind for kind in kinds if kind is not type(None))
    return decode(kind, value, where)


def _record(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: {_short(value)} is no object")
    allowed = {field.name for field in fields(kind)}
    missing, unknown = sorted(allowed - set(value)), sorted(set(value) - allowed)
    if missing or unknown:
        raise ValueError(f"{where}: missing keys {missing}, unknown keys {unknown}; allowed: {sorted(allowed)}")
    hints = get_type_hints(kind)
    return kind(**{name: decode(hints[name], item, f"{where}.{name}") for name, item in value.items()})


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
