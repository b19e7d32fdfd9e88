"""What a defence costs: how far the server's answer stays what it was, and the bytes that travel."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from inverter.defences.module import divergence
from inverter.run.seeds import derive_seed
from inverter.targets.defence import Utility
from inverter.targets.split import Split


@torch.no_grad()
def measure_utility(defended: Split, base: Split, batches: Iterable[dict], seed: int, labels: bool) -> Utility:
    """Compare the answers to what a defended and an undefended device send.

    Args:
        defended: As it sends, its noise included.
        base: Undefended.
        batches: ``image`` ``(B, 3, H, W)`` in [0, 1] and ``label`` ``(B,)``.
        seed: Of the payload's noise.
        labels: Whether the labels are the network's classes; -1 is none.
    """
    sums: dict[str, float] = {}

    def add(name: str, value: float) -> None:
        sums[name] = sums.get(name, 0.0) + value

    device = base.target.preprocess.mean.device
    for number, batch in enumerate(batches):
        images, label = batch["image"].to(device), batch["label"].to(device)
        known = (label >= 0) if labels else torch.zeros_like(label, dtype=torch.bool)
        defended.target.seed_payload(derive_seed(seed, number, "utility"))
        answers = {}
        for name, split in (("", defended), ("undefended_", base)):
            sent, counts = split.target.transmit(images)
            answers[name] = split.server_output(sent[split.target.layer]).float()
            add(f"{name}sent_bytes", sum(counts[split.target.layer]))
            add(f"{name}hits", float((answers[name].argmax(1) == label)[known].sum()))
        add("images", len(images))
        add("labels", int(known.sum()))
        add("agreement", float((answers[""].argmax(1) == answers["undefended_"].argmax(1)).sum()))
        add("divergence", float(divergence(answers[""], answers["undefended_"]).sum()))
    count, num_labels = sums["images"], int(sums["labels"])
    return Utility(
        num_images=int(count),
        agreement=sums["agreement"] / count,
        divergence=sums["divergence"] / count,
        sent_bytes=sums["sent_bytes"] / count,
        undefended_bytes=sums["undefended_sent_bytes"] / count,
        num_labels=num_labels,
        top1=sums["hits"] / num_labels if num_labels else None,
        undefended_top1=sums["undefended_hits"] / num_labels if num_labels else None,
    )
