"""Errors as one line: what the command line prints, and what one error quotes of another."""

import re

_LONGEST = 1000
_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|STATUS_ALLOC_FAILED", re.IGNORECASE)
_WORKER = "\nOriginal Traceback (most recent call last):\n"


def one_line(error: BaseException) -> str:
    """Message of an error as one printable line of at most 1,000 characters.

    Of an error that a data loader's process handed on, which arrives with its traceback as message, only the original
    message is left; an error of the operating system says what went wrong and with which file.
    """
    text = str(error)
    if _WORKER in text:
        text = text.rstrip().rsplit(f"\n{type(error).__name__}: ", 1)[-1]
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename is not None else error.strerror
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()) or type(error).__name__)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the machine or of a device did not suffice; torch says so by a RuntimeError."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error))))


def raise_if_out_of_memory(error: BaseException, what: str) -> None:
    """Raise MemoryError where ``error`` is want of memory; for code that takes any other error for another cause."""
    if is_out_of_memory(error):
        raise MemoryError(f"{what} does not fit into memory: {one_line(error)}") from error


class ConfigError(ValueError):
    """A configuration that cannot be used: the message names the key, its value and what is allowed."""
