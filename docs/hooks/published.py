"""Tables of the published inverters, from their metrics; `python docs/hooks/published.py` writes them in place."""

from __future__ import annotations

import json
from math import sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHECKPOINTS = ROOT / "checkpoints"
BEGIN = "<!-- tables by docs/hooks/published.py -->"
END = "<!-- end of the tables -->"
ORDER = ("blocks.2", "blocks.4", "blocks.6", "global_pool", "blocks.2-64", "blocks.4-64")  # others follow
ROWS = ("mean", "sample", "nearest training image", "round trip")
COLUMNS = {  # metric: heading, decimals
    "psnr": ("PSNR, dB", 2),
    "ssim": ("SSIM", 3),
    "agreement/efficientnet-lite1": ("agreement (EfficientNet-Lite1)", 3),
    "agreement/residual": ("agreement (residual)", 3),
    "reid_top1/efficientnet-lite1": ("re-identified first (EfficientNet-Lite1)", 3),
    "reid_top1/residual": ("re-identified first (residual)", 3),
    "reid_mrr/efficientnet-lite1": ("reciprocal rank (EfficientNet-Lite1)", 3),
    "reid_mrr/residual": ("reciprocal rank (residual)", 3),
    "kid/efficientnet-lite1": ("KID (EfficientNet-Lite1)", 4),
    "kid/residual": ("KID (residual)", 4),
}
JUDGES = ("efficientnet-lite1", "residual")
SHARES = ("agreement/", "reid_top1/")
MIN_SEEN = 5
"""Sources that have to show each outcome of a share, as in inverter/evaluation/intervals.py."""


def write() -> None:
    """Put the tables between the marks of each page that has them."""
    for page, tables in pages().items():
        path = ROOT / page
        path.write_text(filled(path.read_text(encoding="utf-8"), tables), encoding="utf-8")


def pages() -> dict[str, str]:
    """Tables of each page."""
    return {
        "README.md": short(),
        "docs/gallery.md": gallery(),
        "docs/published.md": "\n\n".join([what_travels(), *map(measured, names())]),
    }


def filled(text: str, tables: str) -> str:
    """A page with these tables between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page needs the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def names() -> list[str]:
    """Published inverters that were measured."""
    found = sorted(path.parent.name for path in CHECKPOINTS.glob("*/metrics.json"))
    return [*(name for name in ORDER if name in found), *(name for name in found if name not in ORDER)]


def short() -> str:
    """The table of the README."""
    head = ["name", "what travels", "pictures", "PSNR `mean`, dB", "`sample` re-identified", "nearest training image"]
    rows = []
    for name in names():
        record, scores = _record(name), _scores(name)
        drawn = [_figure(f"reid_top1/{judge}", scores["sample"], 2) for judge in JUDGES]
        floor = [f"{scores['nearest training image'][f'reid_top1/{judge}']['mean']:.2f}" for judge in JUDGES]
        figures = [_figure("psnr", scores["mean"], 2), " / ".join(drawn), " / ".join(floor)]
        rows.append([f"`{name}`", _shape(record), f"{record['num_images']:,}", *figures])
    return _table(head, rows)


def gallery() -> str:
    """Pictures of each published inverter, and what was measured of it."""
    parts = []
    for name in filter(has_preview, names()):
        record, scores = _record(name), _scores(name)
        figures = {row: scores[row]["psnr"]["mean"] for row in ("mean", "sample")}
        said = ", ".join(f"`{row}` {value:.2f} dB" for row, value in figures.items())
        picture = f"![Photos, mean and sample of {name}](../checkpoints/{name}/preview.png)"
        parts.append(f"## {name}\n\n{_shape(record)}. On {record['num_images']:,} other pictures: {said}.\n\n{picture}")
    return "\n\n".join(parts)


def has_preview(name: str) -> bool:
    """Whether pictures lie beside an inverter."""
    return (CHECKPOINTS / name / "preview.png").is_file()


def what_travels() -> str:
    """Shapes, training pairs and sizes."""
    rows = []
    for name in names():
        trained = yaml.safe_load((CHECKPOINTS / name / "config.yaml").read_text(encoding="utf-8"))["training"]
        before = trained.get("began_with") or []
        pairs = ", then ".join(f"{part['pairs']:,}" for part in [*reversed(before), trained])
        record = _record(name)
        rows.append([f"`{name}`", _shape(record), pairs, f"{record['num_images']:,}", _size(name)])
    return _table(["name", "what travels", "training pairs", "measured on pictures", "weights"], rows)


def measured(name: str) -> str:
    """Attack, floor and ceiling of one inverter, with intervals."""
    scores = _scores(name)
    rows = [[row, *(_figure(key, scores[row], digits) for key, (_, digits) in COLUMNS.items())] for row in ROWS]
    card = f"Every row, and what each difference is worth: [model card](../checkpoints/{name}/README.md)."
    return f"### {name}\n\n{_table(['', *(heading for heading, _ in COLUMNS.values())], rows)}\n\n{card}"


def ends(score: dict[str, Any]) -> tuple[float, float]:
    """Interval of a share, together with Wilson's over its sources where few of them show one of its outcomes."""
    share, count, low, high = score["mean"], score["groups"], score["low"], score["high"]
    if min(share, 1 - share) * count >= MIN_SEEN - 0.5:
        return low, high
    squared = NormalDist().inv_cdf(0.975) ** 2
    centre = (share + squared / (2 * count)) / (1 + squared / count)
    half = sqrt(squared * (share * (1 - share) + squared / (4 * count)) / count) / (1 + squared / count)
    return max(0.0, min(low, centre - half)), min(1.0, max(high, centre + half))


def _record(name: str) -> dict[str, Any]:
    return json.loads((CHECKPOINTS / name / "metrics.json").read_text(encoding="utf-8"))


def _scores(name: str) -> dict[str, Any]:
    return {row: method["metrics"] for row, method in _record(name)["methods"].items()}


def _shape(record: dict[str, Any]) -> str:
    target, ratio = record["target"], record["payload"]["ratio"]
    size = "" if target["input_size"] == 224 else f"at {target['input_size']} px: "
    return f"{size}{' x '.join(f'{side:,}' for side in target['feature_shape'])}, {ratio:.2f} times the picture"


def _size(name: str) -> str:
    return f"{sum(path.stat().st_size for path in (CHECKPOINTS / name).rglob('*.safetensors')) / 1e6:.1f} MB"


def _figure(key: str, scores: dict[str, Any], digits: int) -> str:
    score = scores.get(key)
    if not score:
        return ""
    share = key.startswith(SHARES) or (key.startswith("reid_mrr/") and score["mean"] == 1)  # all are found first
    low, high = ends(score) if share else (score["low"], score["high"])
    return f"{score['mean']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


if __name__ == "__main__":
    write()
