import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from inverter.config.arguments import check_numbers, colours, real_number, whole_number


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)])
def test_whole_numbers_of_other_libraries_are_pythons(value):
    assert type(whole_number("n", value)) is int and whole_number("n", value) == 3


@pytest.mark.parametrize("value", [3.0, "3", True, None, [3], np.float32(3), torch.tensor([3, 3])])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(ValueError, match=r"^n=.*; allowed: a whole number$"):
        whole_number("n", value)


def test_real_numbers():
    assert real_number("x", np.float32(0.5)) == real_number("x", torch.tensor(0.5)) == 0.5 and real_number("x", 2) == 2
    for value in ("2", None, math.nan, math.inf, [1.0]):
        with pytest.raises(ValueError, match=r"^x=.*; allowed: a finite number$"):
            real_number("x", value)


def test_colours():
    for values in ([0.5, 0, 1], np.array([0.5, 0, 1]), torch.tensor([0.5, 0, 1]), (0.5, 0, 1)):
        assert colours("mean", values) == [0.5, 0.0, 1.0]
    for values in (0.5, [0.5], [0.5, 0.5, math.nan], "abc", None):
        with pytest.raises(ValueError, match=r"^mean=.* must hold 3 numbers; images have 3 channels$"):
            colours("mean", values)


@dataclass
class Inner:
    lr: float = 0.1


@dataclass
class Outer:
    steps: int = 1
    patience: int | None = None
    name: str = ""
    flag: bool = True
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (Outer(steps=-1), "s.steps is -1; allowed: 0 or more"),
        (Outer(steps=1.5), "s.steps=1.5; allowed: a whole number"),
        (Outer(steps=None), "s.steps=None; allowed: a whole number"),
        (Outer(patience="7"), "s.patience='7'; allowed: a whole number"),
        (Outer(inner=Inner(-0.1)), "s.inner.lr is -0.1; allowed: 0 or more"),
        (Outer(inner=Inner(math.nan)), "s.inner.lr=nan; allowed: a finite number"),
    ],
)
def test_numbers_of_a_section(section, message):
    check_numbers(Outer(patience=3, name="-1", inner=Inner(1)), "s")
    with pytest.raises(ValueError) as error:
        check_numbers(section, "s")
    assert str(error.value) == message
