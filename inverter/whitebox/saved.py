"""The state of a loop on disk: safetensors, written atomically, read strictly."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.run.files import write_bytes


class SavedState:
    """One file that holds tensors and a few numbers, and says what they belong to.

    Args:
        path: Of the file.
        recipe: What was asked for, in a hash; a file of another recipe is refused.
    """

    def __init__(self, path: Path, recipe: str) -> None:
        self.path, self.recipe = path, recipe

    def save(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Write the file; a crash leaves the old one or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        plain = {name: values.detach().cpu().contiguous().clone() for name, values in tensors.items()}
        write_bytes(self.path, save(plain, {"recipe": self.recipe, "numbers": json.dumps(numbers)}))

    def load(self, device: object = "cpu") -> tuple[dict[str, Tensor], dict[str, float]] | None:
        """Tensors and numbers of the file; None where there is none.

        Raises:
            ValueError: The file is damaged or of another recipe.
        """
        if not self.path.is_file():
            return None
        advice = "choose another output, or set loop.resume=false"
        try:
            with safe_open(self.path, "pt", device=str(device)) as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            numbers = parse_json(metadata["numbers"])
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise ValueError(f"state {self.path} cannot be read: {one_line(error)}; {advice}") from error
        if metadata.get("recipe") != self.recipe:
            raise ValueError(f"state {self.path} is of other features or another configuration; {advice}")
        return tensors, numbers
