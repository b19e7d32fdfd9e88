"""Pictures that an attack has seen in training, its own and those of what it began with, for `val` to be kept apart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inverter.blackbox.build import also_folders
from inverter.blackbox.config import TrainConfig
from inverter.blackbox.few_step import FOLDER
from inverter.blackbox.published import is_run, split_run
from inverter.config import InverterDistillConfig, read_config
from inverter.data.manifest import MANIFEST
from inverter.priors.variant import split_name


@dataclass(frozen=True)
class Seen:
    """Folders with the manifests and origins of pairs, and by name that whose pictures are not at hand."""

    folders: tuple[Path, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, after: tuple[str, ...] = ()) -> Seen:
        """What a run or a published attack has seen; of a prior only what it is called.

        ``after`` are those that began with it.
        """
        base, few_step = split_name(name)
        if not is_run(base):
            return cls(elsewhere=(Path(base).name,))
        run = split_run(Path(base))[0]
        config = read_config(TrainConfig, run / "train.yaml")
        shared = getattr(config.model, "tune", "none") != "none"  # one denoiser learns from the pairs of all
        parts = [cls._at((Path(base), run, *also_folders(run, config)) if shared else (Path(base),))]
        if config.model.kind == "inverter":
            parts.append(cls(elsewhere=(f"the prior {Path(config.prior).name}",)))
        if (begin := config.start_from) is not None and is_run(begin) and begin not in after:
            parts.append(cls.of(begin, (*after, begin)))
        elif begin is not None:
            record = json.loads((run / "train.json").read_text())
            parts.append(cls(elsewhere=tuple(Path(each["name"]).name for each in record.get("began_with", []))))
        if few_step:
            parts.append(cls._of_distillation(Path(base) / FOLDER))
        return cls.together(parts)

    @classmethod
    def _of_distillation(cls, folder: Path) -> Seen:
        record = folder / "distill.yaml"
        if not record.is_file():
            return cls(elsewhere=("the few-step variant",))
        return cls._at((Path(read_config(InverterDistillConfig, record).data.path) / "train",))

    @classmethod
    def _at(cls, folders: Iterable[Path]) -> Seen:
        known = {folder: (folder / MANIFEST).is_file() for folder in folders}
        gone = tuple(folder.name for folder, there in known.items() if not there)
        return cls(tuple(folder for folder, there in known.items() if there), gone)

    @classmethod
    def together(cls, parts: Iterable[Seen]) -> Seen:
        """All of them, each thing once."""
        parts = list(parts)
        folders = dict.fromkeys(folder for part in parts for folder in part.folders)
        return cls(tuple(folders), tuple(dict.fromkeys(name for part in parts for name in part.elsewhere)))
