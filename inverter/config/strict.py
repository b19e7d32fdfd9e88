"""Plain data that others wrote, read into dataclasses by pydantic: no key and no type but those of the schema."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import field, fields
from functools import wraps
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from typing_extensions import dataclass_transform

from inverter.config.errors import one_line

T = TypeVar("T")
Count = Annotated[int, Field(ge=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def strict_dataclass(kind: type[T]) -> type[T]:
    """A frozen dataclass whose values pydantic checks; a wrong one is a ValueError of one line."""
    checked: Any = dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))(kind)
    initialise = checked.__init__

    @wraps(initialise)
    def __init__(self: Any, *args: Any, **values: Any) -> None:
        try:
            initialise(self, *args, **values)
        except ValidationError as error:
            raise ValueError(_describe(error)) from error

    checked.__init__ = __init__
    return checked


def read_strictly(what: str, kind: type[T], values: Any, optional: Sequence[str] = ()) -> T:
    """``values`` as a dataclass that pydantic checks.

    Args:
        what: Name of the values for messages.
        kind: A :func:`strict_dataclass`.
        values: Plain data.
        optional: Keys that may be missing, such as those that older files lack.
    Raises:
        ValueError: One line: the keys that are missing or unknown, or the first one whose value is not allowed.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(values, Mapping):
        raise ValueError(f"{what} is a {type(values).__name__}; allowed: an object")
    missing, unknown = names - {*values, *optional}, values.keys() - names
    if missing or unknown:
        raise ValueError(
            f"{what}: missing keys {sorted(missing)}, unknown keys {sorted(map(str, unknown))}; "
            f"allowed: {', '.join(sorted(names))}"
        )
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values))  # in JSON a list may be a tuple
    except ValidationError as error:
        raise ValueError(f"{what}: {_describe(error)}") from error
    except TypeError as error:  # YAML has dates
        raise ValueError(f"{what}: {one_line(error)}") from error


def _describe(error: ValidationError) -> str:
    """The first thing that is wrong."""
    first: Any = error.errors(include_url=False)[0]
    key, value, message = ".".join(map(str, first["loc"])), reprlib.repr(first["input"]), first["msg"]
    match first["type"]:
        case "value_error":
            return str(first["ctx"]["error"])
        case "missing":
            return f"key {key} is missing"
        case "unexpected_keyword_argument" | "extra_forbidden":
            return f"key {key} is unknown"
    allowed = message.removeprefix("Input should be ").removeprefix("String should ")
    return f"{key}={value}; allowed: {allowed}"
