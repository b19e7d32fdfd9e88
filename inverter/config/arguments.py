"""Arguments of public functions: numbers of NumPy and torch as Python's own, anything else an error that names it."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, get_args, get_type_hints


def whole_number(name: str, value: Any) -> int:
    """An integer of Python, NumPy or torch as Python's.

    Raises:
        ValueError: It is none, or a truth value.
    """
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise ValueError(f"{name}={value!r}; allowed: a whole number")


def real_number(name: str, value: Any) -> float:
    """A finite number of Python, NumPy or torch as Python's.

    Raises:
        ValueError: It is none, or text.
    """
    number = _number(value)
    if not math.isfinite(number):
        raise ValueError(f"{name}={value!r}; allowed: a finite number")
    return number


def check_numbers(section: Any, prefix: str) -> None:
    """Raise ValueError where a setting whose type is a number is none, or below 0; None stands where it may.

    Args:
        section: A dataclass of which no number may be negative.
        prefix: Of its keys.
    """
    kinds = get_type_hints(type(section))
    for entry in fields(section):
        value, kind, key = getattr(section, entry.name), kinds[entry.name], f"{prefix}.{entry.name}"
        allowed = {*get_args(kind)} if isinstance(kind, UnionType) else {kind}
        if is_dataclass(value):
            check_numbers(value, key)
        elif allowed & {int, float} and not (value is None and type(None) in allowed):
            number = whole_number(key, value) if int in allowed else real_number(key, value)
            if number < 0:
                raise ValueError(f"{key} is {value}; allowed: 0 or more")


def colours(name: str, values: Any) -> list[float]:
    """Three finite numbers, one a colour channel, of a sequence, array or tensor.

    Raises:
        ValueError: They are none.
    """
    numbers = [_number(value) for value in values] if isinstance(values, Iterable) else []
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name}={values!r} must hold 3 numbers; images have 3 channels")
    return numbers


def _number(value: Any) -> float:
    try:
        return math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError):
        return math.nan
