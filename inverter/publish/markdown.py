"""Texts that others wrote, put into Markdown so that they stay texts."""

from __future__ import annotations

import re

_MEANS_SOMETHING = re.compile(r"[\\`*\[\]<>|&~]|(?<!\w)_|_(?!\w)|(?<!\w)#")


def escape(text: object) -> str:
    """A text on one line, of which nothing is markup, in a table neither."""
    return _MEANS_SOMETHING.sub(r"\\\g<0>", _line(text))


def code(text: object) -> str:
    """A text on one line as code, in a table too; backticks become apostrophes."""
    return f"`{_line(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _line(text: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))
