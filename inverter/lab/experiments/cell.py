"""A cell: one attack at one layer and cost, picture by picture in a file that a stopped run goes on from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.io import decode_image

from inverter.config.parse import parse_json
from inverter.evaluation.recon_files import png, recon_path
from inverter.lab.experiments.picture_set import Picture
from inverter.losses.quality import to_bytes
from inverter.run.files import write_bytes, write_text
from inverter.run.recipe import Recipe
from inverter.run.record import commit

SCHEMA_VERSION = 1


class CellFile:
    """``OUTPUT/cells/NAME.json`` and the reconstructions beside it.

    Args:
        output: Folder of the experiment.
        name: Of the cell; characters that file names lack become ``_``.
        recipe: Configuration and seed that decide the reconstructions: plain data.
    Raises:
        ValueError: The file is damaged or of another recipe.
    """

    def __init__(self, output: Path, name: str, recipe: dict[str, Any]) -> None:
        self.name, self.recipe = re.sub(r"[^\w.@=,+-]+", "_", name), json.loads(json.dumps(recipe))
        self.path, self.recon = output / "cells" / f"{self.name}.json", output / "recon"
        self.state = output / "state" / f"{self.name}.safetensors"
        self.rows: dict[str, dict[str, Any]] = {}
        self.notes: dict[str, Any] = {}
        if self.path.is_file():
            self._read()

    def missing(self, pictures: Sequence[Picture], prompts: Mapping[str, str] | None = None) -> list[Picture]:
        """Those of the pictures that were not inverted yet, or with another prompt, or whose reconstruction is gone.

        Args:
            pictures: What is wanted.
            prompts: By key; None where there are none.
        Raises:
            ValueError: A picture of the same name was another one.
        """
        for picture in pictures:
            row = self.rows.get(picture.key)
            if row is not None and row["picture"] != picture.sha256:
                raise ValueError(f"{self.path}: {picture.key!r} was another picture; choose another output")
        return [
            picture for picture in pictures if not (self.holds(picture.key) and self._has_prompt(picture.key, prompts))
        ]

    def holds(self, key: str) -> bool:
        """Whether a picture was inverted, and its reconstruction is there."""
        return key in self.rows and recon_path(self.recon, self.name, key).is_file()

    def add(self, pictures: Sequence[Picture], recon: Tensor, values: Mapping[str, Sequence[Any]]) -> None:
        """Keep the reconstructions ``(B, 3, S, S)`` in [0, 1], one value of each kind a picture, and the commit."""
        made_by = commit()
        for number, (picture, found) in enumerate(zip(pictures, to_bytes(recon), strict=True)):
            path = recon_path(self.recon, self.name, picture.key)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, png(found))
            own = {name: value[number] for name, value in values.items()}
            self.rows[picture.key] = {"picture": picture.sha256, "commit": made_by, **own}
        self.save()

    def save(self) -> None:
        """Write the file; a crash leaves the old one or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = {"schema_version": SCHEMA_VERSION, "cell": self.name, "recipe": self.recipe}
        write_text(self.path, json.dumps({**whole, "notes": self.notes, "rows": self.rows}, indent=1) + "\n")

    def images(self, keys: Sequence[str]) -> Tensor:
        """Reconstructions of these pictures, ``(N, 3, S, S)`` in [0, 1]."""
        paths = [recon_path(self.recon, self.name, key) for key in keys]
        return torch.stack([decode_image(str(path)) for path in paths]).float() / 255

    def saved(self, mark: str) -> Path:
        """Where an attack of this cell keeps its state, by what it is made of."""
        return self.state.with_name(f"{self.state.stem}+{mark}.safetensors")

    def forget(self) -> None:
        """Remove the states of this cell, and of no other."""
        for path in self.state.parent.glob("*.safetensors"):
            if path.stem.rpartition("+")[0] == self.state.stem:
                path.unlink()

    def mean(self, value: str, keys: Sequence[str]) -> float:
        """Mean over these pictures of what each cost."""
        return sum(float(self.rows[key][value]) for key in keys) / len(keys)

    def _has_prompt(self, key: str, prompts: Mapping[str, str] | None) -> bool:
        return prompts is None or self.rows[key].get("prompt") == prompts.get(key)

    def _read(self) -> None:
        try:
            saved = parse_json(self.path.read_bytes())
            version, recipe = saved["schema_version"], None
            if version == SCHEMA_VERSION:
                recipe, self.rows, self.notes = saved["recipe"], dict(saved["rows"]), dict(saved["notes"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"cell {self.path} is damaged: {error}; delete it") from error
        if version != SCHEMA_VERSION:
            raise ValueError(f"cell {self.path} has schema_version {version!r}; allowed: {SCHEMA_VERSION}")
        Recipe(self.recipe).check(recipe, f"cell {self.path}")
