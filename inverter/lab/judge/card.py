"""The model card of the project's own judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from inverter.publish.markdown import fill_card

TEMPLATE = Path(__file__).parent / "templates" / "judge.md.j2"


def render_judge_card(name: str, spec: dict[str, Any], accuracy: dict[str, Any], training: dict[str, Any]) -> str:
    """Markdown text of the card."""
    value, dataset = accuracy["top1"]["mean"], f"{accuracy['split']}, {accuracy['num_pictures']} pictures"
    data = ModelCardData(
        license="apache-2.0",
        library_name="timm",
        tags=["image-classification", "feature-inversion"],
        model_name=name,
        eval_results=[EvalResult("image-classification", "pictures", dataset, "accuracy", value)],
    )
    return fill_card(TEMPLATE, data, name=name, spec=spec, accuracy=accuracy, training=training)
