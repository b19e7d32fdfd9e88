"""Plain data that others wrote, read into dataclasses by pydantic: no key and no type but those of the schema."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from inverter.config.errors import one_line

T = TypeVar("T")
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Count = Annotated[int, Field(ge=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def read_strictly(what: str, kind: type[T], values: Any, optional: Sequence[str] = ()) -> T:
    """``values`` as a dataclass that pydantic checks.

    Args:
        what: Name of the values for messages.
        kind: A dataclass of pydantic, with ``STRICT`` as its config.
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
        raise ValueError(f"{what}: {_say(error.errors(include_url=False)[0])}") from error
    except TypeError as error:  # YAML has dates
        raise ValueError(f"{what}: {one_line(error)}") from error


def _say(error: Any) -> str:
    key, value, said = ".".join(map(str, error["loc"])), reprlib.repr(error["input"]), error["msg"]
    match error["type"]:
        case "value_error":
            return str(error["ctx"]["error"])
        case "missing":
            return f"key {key} is missing"
        case "unexpected_keyword_argument" | "extra_forbidden":
            return f"key {key} is unknown"
    allowed = said.removeprefix("Input should be ").removeprefix("String should ")
    return f"{key}={value}; allowed: {allowed}"
