"""Errors as one line: what the command line prints, and what one error quotes of another."""

_LONGEST = 1000
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


class ConfigError(ValueError):
    """A configuration that cannot be used: the message names the key, its value and what is allowed."""
