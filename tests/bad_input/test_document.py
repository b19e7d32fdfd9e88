"""The page of messages names no input that no test gives."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| (.+?) \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
INPUTS = [row for row in ROWS if row not in ("bad input", "---")]
TESTS = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))


@pytest.mark.parametrize("what", INPUTS)
def test_each_input_of_the_page_is_tested(what):
    assert f'"{what}"' in TESTS
    assert INPUTS.count(what) == 1
