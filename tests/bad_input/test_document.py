"""Each row of the page of messages is read by the tests; ``each_row_is_compared`` sees to the rest."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")


def test_each_row_is_read(messages):
    inputs = [row for row in re.findall(r"^\| (.+?) \|", PAGE, re.MULTILINE) if row not in ("bad input", "---")]
    assert sorted(inputs) == sorted(messages)
