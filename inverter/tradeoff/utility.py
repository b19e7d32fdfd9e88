"""What a setting leaves of the network's own answer: first class by picture, with and without it."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch

from inverter.audit.plan import Step
from inverter.config import PrepareConfig
from inverter.config.parse import parse_json
from inverter.data.datamodule import pair_loader
from inverter.data.manifest import Manifest
from inverter.evaluation.intervals import Interval, bootstrap_mean
from inverter.payloads.entropy import ByteEntropy
from inverter.run.files import write_text
from inverter.run.progress import track
from inverter.run.seeds import derive_seed
from inverter.targets.split import Split
from inverter.tradeoff.plan import load_split

FILE, SENT = "utility.csv", "sent.json"
COLUMNS = ("key", "group", "label", "undefended", "arrived")


@dataclass(frozen=True)
class Answers:
    """First classes of n pictures, ``(n,)`` int64, ``undefended`` and of what ``arrived``; labels, -1 where none is."""

    groups: tuple[str, ...]
    label: torch.Tensor
    undefended: torch.Tensor
    arrived: torch.Tensor

    def agreement(self, num_bootstrap: int, seed: int) -> Interval:
        """Share of pictures with the class of the undefended network."""
        return self._share(self.arrived == self.undefended, num_bootstrap, seed)

    def top1(self, which: str, num_bootstrap: int, seed: int) -> Interval:
        """Share of pictures whose class is their label: of what ``arrived``, or ``undefended``."""
        return self._share(getattr(self, which) == self.label, num_bootstrap, seed)

    def _share(self, hits: torch.Tensor, num_bootstrap: int, seed: int) -> Interval:
        return bootstrap_mean(hits.double(), self.groups, share=True, num_bootstrap=num_bootstrap, seed=seed)


@torch.no_grad()
def measure_utility(step: Step, undefended: Split, device: torch.device, labels: bool) -> None:
    """Write classes of every picture of ``val`` into a step's run (``utility.csv``), and of what is sent the entropy in
    bits a number (``sent.json``).

    Device and server compute in float32, so that only payload and defence tell the answers apart; a payload's noise is
    drawn for each batch from its pictures' keys.

    Args:
        step: The setting, its pairs written.
        undefended: The whole network.
        device: Where it lies.
        labels: The pairs' labels are classes of the network.
    Raises:
        ValueError: ``labels``, and a picture has none that the network knows.
    """
    prepare: PrepareConfig = step.prepare["val"]
    split = load_split(step, Manifest.load(step.pairs / "val").target.payload).to(device)
    text, entropy = io.StringIO(), ByteEntropy()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for batch in track(pair_loader(step.pairs / "val", prepare.batch_size), "utility"):
        images = batch["image"].to(device)
        split.target.seed_payload(derive_seed(prepare.seed, "utility", *batch["key"]))
        (sent,) = split.target.send(images)
        entropy.add(sent.codes(), sent.features[0].numel())
        plain, arrived = undefended(images), split.server_output(sent.features)
        unknown = (batch["label"] < 0) | (batch["label"] >= plain.shape[1])
        if labels and unknown.any():
            key = batch["key"][int(unknown.nonzero()[0])]
            raise ValueError(
                f"labels=true, but picture {key!r} of {step.pairs / 'val'} has label "
                f"{int(batch['label'][unknown][0])}; allowed: 0 to {plain.shape[1] - 1}, or labels=false"
            )
        known = batch["label"].tolist() if labels else [-1] * len(images)
        writer.writerows(
            zip(batch["key"], batch["group"], known, *(x.argmax(1).tolist() for x in (plain, arrived)), strict=True)
        )
    step.run.mkdir(parents=True, exist_ok=True)
    write_text(step.run / SENT, json.dumps({"entropy": entropy.bits}) + "\n")
    write_text(step.run / FILE, text.getvalue())


def read_entropy(path: Path) -> float | None:
    """Bits a number that a ``sent.json`` says; None where there is none, as an earlier version measured none.

    Raises:
        ValueError: It says something else.
    """
    if not path.is_file():
        return None
    values = parse_json(path.read_bytes())
    found = values.get("entropy") if isinstance(values, dict) else None
    if type(found) is not float or not 0 <= found < math.inf:
        raise ValueError(f"{path} is no measure of what is sent; delete it and utility.csv to measure again")
    return found


def read_answers(path: Path) -> Answers:
    """Read a ``utility.csv``.

    Raises:
        ValueError: It is missing, or no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            header, *rows = csv.reader(stream, strict=True)
        if tuple(header) != COLUMNS or not rows:
            raise ValueError(f"columns {header}; allowed: {list(COLUMNS)} and a line a picture")
        _, groups, *classes = zip(*rows, strict=True)
        return Answers(tuple(groups), *(torch.tensor([int(each) for each in column]) for column in classes))
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(f"{path} is no table of answers: {error}; delete it to measure again") from error
