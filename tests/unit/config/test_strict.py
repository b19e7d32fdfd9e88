import datetime
from dataclasses import replace

import pytest

from inverter.config.strict import Count, read_strictly, strict_dataclass


@strict_dataclass
class Part:
    size: Count


@strict_dataclass
class Whole:
    shape: tuple[int, int]
    parts: list[Part]
    scale: float = 1.0


def test_lists_become_tuples_and_objects_parts():
    read = read_strictly("file", Whole, {"shape": [1, 2], "parts": [{"size": 3}], "scale": 2})
    assert read == Whole((1, 2), [Part(3)], 2.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": [{"size": 0}]}, "file: parts.0.size=0; allowed: greater than or equal to 1"),
        ({"parts": [{"size": True}]}, "file: parts.0.size=True; allowed: a valid integer"),
        ({"parts": [{}]}, "file: key parts.0.size is missing"),
        ({"parts": [{"size": 1, "depth": 1}]}, "file: key parts.0.depth is unknown"),
        ({"scale": float("inf")}, "file: scale=inf; allowed: a finite number"),
        ({"scale": datetime.date(2000, 1, 1)}, "file: Object of type date is not JSON serializable"),
        ({"colour": 1}, "file: missing keys [], unknown keys ['colour']; allowed: parts, scale, shape"),
    ],
)
def test_what_is_wrong_is_one_line(changes, message):
    with pytest.raises(ValueError) as error:
        read_strictly("file", Whole, {"shape": [1, 2], "parts": [], "scale": 1.0, **changes})
    assert str(error.value) == message


def test_what_is_wrong_where_it_is_made_is_one_line():
    for make, message in (
        (lambda: Part(size=0), "size=0; allowed: greater than or equal to 1"),
        (lambda: replace(Part(size=1), size="2"), "size='2'; allowed: a valid integer"),
        (lambda: Part(), "key size is missing"),
    ):
        with pytest.raises(ValueError) as error:
            make()
        assert str(error.value) == message
    assert Whole(shape=(1, 2), parts=[Part(size=1)]).parts[0].size == 1


def test_a_key_with_a_default_is_missing_unless_it_may_be():
    values = {"shape": [1, 2], "parts": []}
    with pytest.raises(ValueError, match=r"file: missing keys \['scale'\], unknown keys \[\]"):
        read_strictly("file", Whole, values)
    assert read_strictly("file", Whole, values, optional=("scale",)).scale == 1.0
