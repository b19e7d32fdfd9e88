"""Which way to draw recognises best, on pairs that only choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from inverter.blackbox.inverter import Inverter
from inverter.config import DrawConfig
from inverter.data.datamodule import pair_loader
from inverter.evaluation.judges import Judge, reidentification
from inverter.evaluation.metrics import Missing
from inverter.evaluation.pairs import draw_distractors
from inverter.evaluation.thumbnail import to_thumbnails
from inverter.losses.quality import psnr, quantise


def compare_draws(
    inverter: Inverter,
    dev: Path,
    draws: Sequence[DrawConfig],
    judges: Sequence[Judge],
    *,
    limit: int,
    batch_size: int = 32,
    bf16: bool = False,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Draw the same pictures in several ways, each from the same noise.

    Args:
        inverter: As it is drawn with afterwards, but for its way to draw, which is left as it was.
        dev: Folder of pairs.
        draws: The ways.
        judges: Under which the original's reciprocal rank among the pictures of ``dev`` is taken.
        limit: Pictures.
        batch_size: Drawn at once.
        bf16: Under autocast.
        seed: Of the noise.
    Returns:
        For each way its settings (``draw``), ``psnr`` and ``reid_mrr/JUDGE``, means over the pictures.
    Raises:
        ValueError: There is no judge or no way, or ``dev`` has too few pictures of other sources.
    """
    if not judges or not draws:
        raise ValueError(f"judges are {len(judges)} and draws {len(draws)}; needed: one or more of both")
    batches = list(pair_loader(dev, batch_size, limit=limit))
    images = torch.cat([batch["image"] for batch in batches])
    groups = [group for batch in batches for group in batch["group"]]
    gallery = draw_distractors(dev, batch_size, seed)
    if isinstance(gallery, Missing):
        raise ValueError(f"{dev}: {gallery.reason}")
    originals = {judge.name: judge.embed(images) for judge in judges}
    distractors = {judge.name: judge.embed(gallery.images) for judge in judges}
    device, before, compared = next(inverter.parameters()).device, inverter.spec, []
    for draw in draws:
        generator = torch.Generator().manual_seed(seed)
        try:
            inverter.redraw(draw)
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                drawn = [inverter.sample(batch["features"].to(device), generator=generator) for batch in batches]
        finally:
            inverter.spec = before
        recon = quantise(torch.cat(drawn).float().cpu())
        excluded = gallery.excluded(groups, to_thumbnails(recon))
        scores = {"psnr": psnr(recon, images).mean().item()}
        for judge in judges:
            ranked = reidentification(judge.embed(recon), originals[judge.name], distractors[judge.name], excluded)
            scores[f"reid_mrr/{judge.name}"] = ranked.reciprocal_rank.mean().item()
        compared.append({"draw": asdict(draw), **scores})
    return compared


def best_draw(compared: Sequence[dict[str, Any]]) -> DrawConfig:
    """The way with the highest reciprocal rank, averaged over the judges."""

    def recognition(metrics: dict[str, Any]) -> float:
        ranks = [value for key, value in metrics.items() if key.startswith("reid_mrr/")]
        return sum(ranks) / len(ranks)

    return DrawConfig(**max(compared, key=recognition)["draw"])
