"""Model cards from Jinja templates: texts that others wrote stay texts in their Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import ModelCard, ModelCardData
from markupsafe import Markup

_MEANS_SOMETHING = re.compile(r"[\\`*\[\]<>|&~]|(?<!\w)_|_(?!\w)|(?<!\w)#")


def escape(text: object) -> Markup:
    """A text on one line, of which nothing is markup, in a table neither; ``Markup`` is left as it is."""
    return text if isinstance(text, Markup) else Markup(_MEANS_SOMETHING.sub(r"\\\g<0>", _line(text)))


def code(text: object) -> Markup:
    """A text on one line as code, in a table too; backticks become apostrophes."""
    return Markup(f"`{_line(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`")


def fill_card(template: Path, data: ModelCardData, **values: Any) -> str:
    """A model card: ``data`` as its front matter, then the template, in which every value is escaped.

    Raises:
        jinja2.UndefinedError: The template reads a value that is not there.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,  # macros give Markup
        finalize=escape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = code
    body = environment.get_template(template.name).render(values)
    return str(ModelCard.from_template(data, template_str="---\n{{ card_data }}\n---\n{{ body }}\n", body=body))


def _line(text: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))
