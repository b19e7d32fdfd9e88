"""Tables of the published inverters, from their metrics; `python docs/hooks/published.py` prints that of the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
MARK = "<!-- tables of the published inverters -->"
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


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Put the tables where a page has the mark."""
    return markdown.replace(MARK, "\n\n".join([what_travels(), *map(measured, names())]))


def names() -> list[str]:
    """Published inverters that were measured."""
    found = sorted(path.parent.name for path in CHECKPOINTS.glob("*/metrics.json"))
    return [*(name for name in ORDER if name in found), *(name for name in found if name not in ORDER)]


def short() -> str:
    """The table of the README."""
    head = [
        "name",
        "what travels",
        "PSNR `mean`, dB",
        "`sample` re-identified first",
        "nearest training image",
        "weights",
    ]
    rows = []
    for name in names():
        record, scores = _record(name), _scores(name)
        first = [
            " / ".join(f"{scores[row][f'reid_top1/{judge}']['mean']:.2f}" for judge in JUDGES)
            for row in ("sample", "nearest training image")
        ]
        rows.append([f"`{name}`", _shape(record), _figure(scores["mean"]["psnr"], 2), *first, _size(name)])
    return _table(head, rows)


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
    rows = [[row, *(_figure(scores[row].get(key), digits) for key, (_, digits) in COLUMNS.items())] for row in ROWS]
    card = f"Every row, and what each difference is worth: [model card](../checkpoints/{name}/README.md)."
    return f"### {name}\n\n{_table(['', *(heading for heading, _ in COLUMNS.values())], rows)}\n\n{card}"


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


def _figure(score: dict[str, Any] | None, digits: int) -> str:
    if not score:
        return ""
    return f"{score['mean']:.{digits}f} [{score['low']:.{digits}f}, {score['high']:.{digits}f}]"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


if __name__ == "__main__":
    print(short())  # noqa: T201
