"""The model card of the project's own judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from inverter.lab.judge.config import JudgeConfig
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


def command(config: JudgeConfig) -> str:
    """The command line of this training, with file names in place of paths."""
    names = {
        key: Path(value).name for key, value in (("data.shards", config.data.shards), ("data.dev", config.data.dev))
    }
    names |= {"val": Path(config.val).name} if config.val else {}
    words = [f"{key}='{name}'" for key, name in names.items()]
    budget = {"max_time": config.optim.max_time, "max_steps": config.optim.max_steps}
    words += [f"optim.{key}={'null' if value is None else value}" for key, value in budget.items()]
    return " ".join(["inverter train_judge judge.yaml", *words])
