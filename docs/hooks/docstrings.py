"""Docstrings for the pages: references, written as ``:func:`name` ``, as names; checked dataclasses as dataclasses."""

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:func|class|meth|mod|data):`~?([^`]+)`")


class Docstrings(griffe.Extension):
    """Leaves the name of every role, and shows what builds a class of ``strict_dataclass``."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite a docstring."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)

    def on_class_instance(self, *, cls: griffe.Class, **_: Any) -> None:
        """Name the decorator that griffe knows, so that fields become parameters."""
        for decorator in cls.decorators:
            if str(decorator.value) == "strict_dataclass":
                decorator.value = griffe.ExprName("dataclasses.dataclass")
