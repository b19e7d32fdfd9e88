"""What stands in a stage's place to see that it runs, or to kill the run that calls it."""

from collections.abc import Callable
from typing import Any


class Killed(BaseException):
    pass


def spy(note: Callable[[Any], None], run: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``run``, which notes the config that it is called with."""

    def call(config: Any) -> Any:
        note(config)
        return run(config)

    return call


def kill(_: Any) -> None:
    """In place of a stage's ``run``."""
    raise Killed
