"""Stage ``completion``: a script with which a shell completes stages, keys and values, and asks nobody at a TAB."""

from __future__ import annotations

import sys
from pathlib import Path

import jinja2

from inverter.__main__ import KINDS, STAGES, find_schema
from inverter.config import CompletionConfig, config_root
from inverter.config.described import key_words

TEMPLATES = Path(__file__).parent / "templates"
SHELLS = ("bash", "zsh", "fish")


def run(config: CompletionConfig) -> None:
    """Print the script.

    Raises:
        ValueError: Another shell than ``SHELLS``.
    """
    sys.stdout.write(f"{script(config.shell)}\n")


def script(shell: str) -> str:
    """The script of a shell.

    Raises:
        ValueError: Another shell than ``SHELLS``.
    """
    if shell not in SHELLS:
        raise ValueError(f"shell is {shell!r}; allowed: {', '.join(SHELLS)}")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        comment_start_string="{##",  # bash counts with {#
        comment_end_string="##}",
    )
    return environment.get_template(f"completion.{shell}.j2").render(
        first=list(dict.fromkeys(stage.partition(" ")[0] for stage in STAGES)),
        kinds={kind: [stage.partition(" ")[2] for stage in STAGES if stage.startswith(f"{kind} ")] for kind in KINDS},
        texts={stage: text for stage, (_, _, text) in STAGES.items()},
        keys={stage: dict(key_words(find_schema(stage)())) for stage in STAGES},
        configs=sorted(path.name for path in config_root().glob("*.yaml")),
    )
