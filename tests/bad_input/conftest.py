"""Bad input of every kind; what it is answered with stands in ``docs/errors.md``, and each test compares the two."""

from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from inverter.__main__ import main
from inverter.blackbox.config import TrainConfig
from inverter.stages import train

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"
MESSAGES: dict[str, str] = dict(re.findall(r"^\| ([^|]+) \| `([^|]+)` \|$", DOCUMENT.read_text(), re.MULTILINE))
"""Bad input to its message; ``…`` stands for paths, hashes and other words that differ."""

COMPARED: set[str] = set()
WHOLE: list[bool] = []
Refused = Callable[[str, Callable[[], object]], None]
RefusedByCommand = Callable[[str, list[str]], None]


class Payload:
    """Unpickling it writes a file."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple:
        return (Path.write_text, (self.witness, "executed"))


def check_message(what: str, message: str) -> None:
    assert message.isprintable(), f"more than one line, or control characters: {message!r}"
    pattern = ".*".join(map(re.escape, MESSAGES[what].split("…")))
    assert re.fullmatch(pattern, message), f"docs/errors.md says {MESSAGES[what]!r}\nthe message is     {message!r}"
    COMPARED.add(what)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where all files of this folder were run, by one process or by several, each row of the page was compared."""
    worker = getattr(session.config, "workeroutput", None)
    run = {item.path for item in getattr(session, "items", [])}
    whole = run.issuperset(Path(__file__).parent.glob("test_*.py")) and not session.config.option.keyword
    if worker is not None:
        worker["compared"], worker["whole"] = sorted(COMPARED), whole
    elif (whole or WHOLE) and (left := MESSAGES.keys() - COMPARED):
        line = f"ERROR rows of docs/errors.md that no test compared: {sorted(left)}"
        session.config.get_terminal_writer().line(f"\n{line}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a process of pytest-xdist compared."""
    output = getattr(node, "workeroutput", {})
    COMPARED.update(output.get("compared", ()))
    if output.get("whole"):
        WHOLE.append(True)


@pytest.fixture
def messages() -> dict[str, str]:
    return MESSAGES


@pytest.fixture
def refused() -> Refused:
    """Function that expects an action to raise the documented ``ValueError``."""

    def check(what: str, act: Callable[[], object]) -> None:
        with pytest.raises(ValueError) as caught:
            act()
        check_message(what, str(caught.value))

    return check


@pytest.fixture
def refused_by_command(capsys: pytest.CaptureFixture[str]) -> RefusedByCommand:
    """Function that expects a command to end with the documented line and status 2."""

    def check(what: str, words: list[str]) -> None:
        capsys.readouterr()
        assert main(words) == 2
        shown = capsys.readouterr().err
        assert "Traceback" not in shown
        line = shown.splitlines()[-1]
        assert line.startswith("error: ")
        check_message(what, line.removeprefix("error: "))

    return check


@pytest.fixture
def payload(tmp_path: Path) -> bytes:
    """A pickle that writes ``executed`` into the test's folder."""
    return pickle.dumps(Payload(tmp_path / "executed"))


@pytest.fixture(autouse=True)
def nothing_is_executed(tmp_path: Path) -> Iterator[None]:
    yield
    assert not (tmp_path / "executed").exists()


@pytest.fixture(scope="session")
def trained_once(train_config: Callable[..., TrainConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train.run(train_config(tmp_path_factory.mktemp("runs") / "run", max_steps=2))


@pytest.fixture
def run(trained_once: Path, tmp_path: Path) -> Path:
    """A training run of two steps that a test may damage or go on with."""
    return Path(shutil.copytree(trained_once, tmp_path / "run"))


@pytest.fixture
def published(tiny_published: Path, tmp_path: Path) -> Path:
    """A published inverter that a test may damage."""
    return Path(shutil.copytree(tiny_published, tmp_path / "toy"))
