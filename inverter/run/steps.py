"""Which steps of a run are done, and with what: a killed run goes on, a changed step is told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.run.files import write_text
from inverter.run.recipe import Recipe

STEPS = "steps.json"


class RunSteps:
    """``steps.json`` in a run: of each step its recipe, whether it is done, and figures that it gave.

    Args:
        folder: Of the run.
        recipes: By step.
        left: By step, files in the folder without which it is to be done again.
    Raises:
        ValueError: ``steps.json`` is damaged.
    """

    def __init__(self, folder: Path, recipes: Mapping[str, Recipe], left: Mapping[str, Sequence[str]]) -> None:
        self.path, self.recipes, self.left = folder / STEPS, dict(recipes), left
        self.saved = _read(self.path) if self.path.is_file() else {}

    def done(self, step: str) -> bool:
        """Whether a step was finished with this recipe."""
        noted = self.saved.get(step, {})
        whole = all((self.path.parent / file).is_file() for file in self.left[step])
        return whole and noted.get("done") is True and not self.recipes[step].changes(noted["recipe"])

    def begin(self, step: str) -> None:
        """Note a step's recipe before it runs."""
        self._note(step, done=False)

    def finish(self, step: str, **figures: Any) -> None:
        """Note that a step is done, and figures that it gave: plain data."""
        self._note(step, done=True, **figures)

    def noted(self, step: str, key: str) -> Any:
        """What :meth:`finish` noted; None where it did not."""
        return self.saved.get(step, {}).get(key)

    def _note(self, step: str, **values: Any) -> None:
        self.saved = {**self.saved, step: {"recipe": self.recipes[step].values, **values}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(self.saved, indent=1) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        saved = parse_json(path.read_bytes())
        steps = saved.values() if isinstance(saved, dict) else [None]
        if not all(isinstance(noted, dict) and isinstance(noted.get("recipe"), dict) for noted in steps):
            raise ValueError("a step has no recipe")
        return saved
    except ValueError as error:
        raise ValueError(f"output: {path} is damaged ({one_line(error)}); delete {path.parent} or repair it") from error
