"""What the documents show: blocks of code, and commands in the order in which they stand."""

import os
import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = sorted(
    path.relative_to(ROOT) for pattern in ("*.md", "docs/**/*.md", "checkpoints/*.md") for path in ROOT.glob(pattern)
)
CODE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(rf"{CODE.pattern}|`((?:[^`\n]|\n(?!\n))+)`", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"(^|/)[A-Z]+(/|$)")


def read(doc: Path) -> str:
    return (ROOT / doc).read_text(encoding="utf-8")


def code(language: str, text: str) -> list[str]:
    """Bodies of the fenced blocks of a language."""
    return [body for found, body in CODE.findall(text) if found == language]


def commands(text: str, *programs: str) -> list[list[str]]:
    """Words of every shell command of some programs, in ``bash`` blocks and in backticks, in order."""
    lines: list[str] = []
    for language, body, quoted in SHOWN.findall(text):
        lines += body.replace("\\\n", " ").splitlines() if language == "bash" else [" ".join(quoted.split())]
    words = [shlex.split(line, comments=True) for line in lines if line.startswith(tuple(f"{p} " for p in programs))]
    return [line for line in words if not any(PLACEHOLDER.search(word) for word in line if "=" not in word)]


def make(*words: str) -> list[str]:
    """Lines that ``make -n`` prints."""
    outside = {key: value for key, value in os.environ.items() if key not in ("ARGS", "MAKEFLAGS", "MAKEOVERRIDES")}
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", *words],
        cwd=ROOT,
        env=outside,  # the tests may run under `make test ARGS=...`
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.rstrip() for line in done.stdout.splitlines()]


def stages(command: list[str]) -> list[list[str]]:
    """Words that a command of a page has ``inverter`` run, whatever program it begins with."""
    if command[0] == "make":
        return [shlex.split(line)[1:] for line in make(*command[1:]) if line.startswith(".venv/bin/inverter ")]
    return [command[command.index("inverter") + 1 :]] if "inverter" in command else []
