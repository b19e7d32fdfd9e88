"""Prompts: one for all images, or one each from a CSV or image shards; what a tokenizer cannot take is logged."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Sequence
from pathlib import Path

from inverter.config.errors import one_line
from inverter.data.picture_cache import read_words
from inverter.data.sources.source import unique_key
from inverter.data.sources.tar import is_shards
from inverter.priors.prior import DiffusionPrior

log = logging.getLogger(__name__)
KINDS = ("both", "foreground", "background", "none")
COLUMNS = (("key", "prompt"), ("key", "foreground", "background"))


def join_prompt(foreground: str, background: str, kind: str) -> str:
    """Caption of what is in front and what is behind it, as the embedded prior's captions are worded.

    Args:
        foreground: Such as ``a dog``; may be empty.
        background: Such as ``a green hill``; may be empty.
        kind: ``both`` (``FOREGROUND on BACKGROUND``), one of the two, or ``none``, the empty prompt.
    Raises:
        ValueError: ``kind`` is none of these.
    """
    if kind not in KINDS:
        raise ValueError(f"prompt_kind is {kind!r}; allowed: {', '.join(KINDS)}")
    parts = {"both": (foreground, background), "foreground": (foreground,), "background": (background,), "none": ()}
    return " on ".join(part.strip() for part in parts[kind] if part.strip())


def read_prompts(source: str, kind: str = "both") -> dict[str, str]:
    """Prompt by key.

    Args:
        source: A CSV with the columns ``key,prompt`` or ``key,foreground,background``, UTF-8, with a heading, where a
            key is a file's name without its ending; or image shards (``.tar``, ``.tar.gz``, with globs and braces),
            whose ``json`` says ``foreground`` and ``background``, or ``caption``, which then is what is in front.
        kind: As for :func:`join_prompt`; a ``prompt`` column knows ``both``, which is the prompt, and ``none``.
    Raises:
        ValueError: It cannot be read, has other columns, a row of another length, or a key twice.
    """
    join_prompt("", "", kind)
    return _read_shards(source, kind) if is_shards(source) else _read_csv(Path(source), kind)


def _read_shards(pattern: str, kind: str) -> dict[str, str]:
    """Pictures of which nothing is said are left out."""
    worded = ((key, words) for key, words in read_words(pattern) if any(words.values()))
    return {
        key: join_prompt(words["foreground"] or words["caption"], words["background"], kind) for key, words in worded
    }


def _read_csv(path: Path, kind: str) -> dict[str, str]:
    try:
        table = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(f"prompts {path} cannot be read: {one_line(error)}") from error
    columns = tuple(name.strip() for name in table[0]) if table else ()
    if columns not in COLUMNS:
        allowed = " or ".join(",".join(names) for names in COLUMNS)
        raise ValueError(f"prompts {path}: columns are {list(columns)}; allowed: {allowed}")
    if len(columns) == 2 and kind not in ("both", "none"):
        raise ValueError(f"prompts {path}: prompt_kind={kind} needs the columns key,foreground,background")
    prompts: dict[str, str] = {}
    for number, row in enumerate(table[1:], 2):
        if not row:
            continue
        if len(row) != len(columns):
            raise ValueError(f"prompts {path}: line {number} has {len(row)} values; needed: {len(columns)}")
        key = unique_key(row[0].strip(), set())  # as the key of a picture of this name
        if key in prompts:
            raise ValueError(f"prompts {path}: key {row[0]!r} occurs twice")
        prompts[key] = join_prompt(row[1], row[2] if len(row) == 3 else "", kind)
    return prompts


def choose_prompts(keys: Sequence[str], prompt: str | None, table: dict[str, str] | None) -> list[str | None]:
    """Prompt of each key: the table's, else ``prompt``; None where neither has one. Keys without a line are logged.

    Args:
        keys: Names of the images.
        prompt: For all images that the table does not name.
        table: Prompt by key.
    """
    if table is None:
        return [prompt] * len(keys)
    absent = [key for key in keys if key not in table]
    if absent:
        shown = f"{', '.join(absent[:5])}{', ...' if len(absent) > 5 else ''}"
        log.warning("%d image(s) have no line among the prompts: %s", len(absent), shown)
    return [table.get(key, prompt) for key in keys]


def note_prompts(prior: DiffusionPrior, prompts: Sequence[str | None]) -> None:
    """Log which prompts the prior will cut, and which of their words its own captions never had."""
    length = prior.tokenizer.model_max_length
    known = {word for caption in prior.prompts for word in _words(caption)}
    for prompt in dict.fromkeys(text for text in prompts if text):
        tokens = prior.tokenizer(prompt).input_ids
        if len(tokens) > length:
            kept = prior.tokenizer.decode(tokens[: length - 1], skip_special_tokens=True).strip()
            log.warning("prompt %r has %d tokens; the prior reads %d: %r", prompt, len(tokens), length, kept)
        unknown = [word for word in _words(prompt) if known and word not in known]
        if unknown:
            log.warning("prompt %r: the prior's captions never had %s", prompt, ", ".join(dict.fromkeys(unknown)))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
