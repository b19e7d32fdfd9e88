"""Ways to damage what is valid, byte by byte or in its structure; whatever reads it may only raise a ValueError.

``pytest tests/fuzz`` runs the same two hundred cases of each test every time; ``--hypothesis-profile=thorough`` runs
ten thousand new ones.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

HOSTILE = ["", "../x", "/etc/passwd", "pipe:touch executed", "a\nb", "\x1b[31m", "\ud800", "x" * 5000]
HOSTILE += [-1, 0, 2**31, 2**63, 2**70, -(2**70), 1e308 * 10, float("nan"), 1e-320, True, None, [], {}, [[[]]]]
PLAIN = st.recursive(
    st.sampled_from(HOSTILE) | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
).map(copy.deepcopy)  # an alteration may change what an earlier one put in


@st.composite
def damage(draw: Callable[[Any], Any], data: bytes, places: tuple[int, ...] = ()) -> bytes:
    """One to four edits of bytes, half of them near ``places``."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        anywhere = st.integers(0, len(changed))
        near = st.builds(int.__add__, st.sampled_from(places), st.integers(0, 160)) if places else anywhere
        start, chunk = draw(near | anywhere), draw(st.binary(min_size=1, max_size=12) | st.sampled_from([b"\xff" * 8]))
        match draw(st.sampled_from(["overwrite", "overwrite", "insert", "delete", "repeat", "end"])):
            case "overwrite":
                changed[start : start + len(chunk)] = chunk
            case "insert":
                changed[start:start] = chunk
            case "delete":
                del changed[start : start + draw(st.sampled_from([1, 8, 512]))]
            case "repeat":
                changed[start:start] = changed[start : start + draw(st.sampled_from([1, 8, 512]))]
            case "end":
                del changed[start:]
    return bytes(changed)


@st.composite
def alter(draw: Callable[[Any], Any], value: Any) -> Any:
    """One to three values of plain data replaced, dropped or added, at any depth."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        nodes = list(_containers(value))
        if not nodes or draw(st.integers(0, 40)) == 0:
            return draw(PLAIN)
        node = draw(st.sampled_from(nodes))
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        action = draw(st.sampled_from(["replace", "replace", "drop", "add"]))
        if action == "add" or not keys:
            if isinstance(node, dict):
                node[draw(st.text(max_size=6) | st.sampled_from(["_target_", "__class__"]))] = draw(PLAIN)
            else:
                node.append(draw(PLAIN))
        elif action == "drop":
            del node[draw(st.sampled_from(keys))]
        else:
            node[draw(st.sampled_from(keys))] = draw(PLAIN)
    return value


def _containers(value: Any) -> Any:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


@pytest.fixture(scope="session")
def damaged() -> Callable[..., st.SearchStrategy[bytes]]:
    return damage


@pytest.fixture(scope="session")
def altered() -> Callable[[Any], st.SearchStrategy[Any]]:
    return alter


@pytest.fixture(scope="session")
def only_value_errors() -> Callable[[Callable[[], object]], None]:
    """Function that runs an action, which may succeed or raise a ValueError of one line."""

    def check(act: Callable[[], object]) -> None:
        try:
            act()
        except ValueError as error:
            assert str(error).isprintable() and 0 < len(str(error)) < 3000

    return check
