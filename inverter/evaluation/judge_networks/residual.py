"""The project's own judge: a small residual classifier that no attack or prior is trained with; build, save, load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from timm.models.resnet import BasicBlock, ResNet
from torch import Tensor, nn

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.config.strict import Count, read_strictly, strict_dataclass
from inverter.evaluation.judge_networks import JUDGE_NETWORKS, JudgeNetwork
from inverter.run.checkpoints import check_weights
from inverter.run.files import write_bytes, write_text
from inverter.run.hub import find_published
from inverter.targets.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

SCHEMA_VERSION = 1
WEIGHTS, CONFIG = "judge.safetensors", "judge.json"
Depth = Annotated[int, Field(ge=1, le=64)]


@strict_dataclass
class JudgeSpec:
    """What rebuilds a judge: side in pixels, channels and residual blocks of each stage, number and names of classes.

    ``classes`` is empty where the classes have numbers only.
    """

    resolution: Annotated[int, Field(ge=1, le=1024)]
    widths: tuple[Count, Count, Count, Count]
    depths: tuple[Depth, Depth, Depth, Depth]
    num_classes: Count
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.classes and len(self.classes) != self.num_classes:
            raise ValueError(f"{len(self.classes)} class names for {self.num_classes} classes; allowed: as many, or 0")


class ResidualJudge(nn.Module):
    """timm's ResNet with a deep stem and no pooling before its first stage, for pictures of a few dozen pixels.

    Takes images ``(B, 3, H, W)`` in [0, 1], resizes and normalises them itself.
    """

    def __init__(self, spec: JudgeSpec) -> None:
        super().__init__()
        self.spec = spec
        self.preprocess = Preprocess(spec.resolution, IMAGENET_MEAN, IMAGENET_STD)
        self.network = ResNet(
            BasicBlock,
            spec.depths,
            num_classes=spec.num_classes,
            channels=spec.widths,
            stem_type="deep",
            stem_width=max(spec.widths[0] // 2, 1),
            avg_down=True,
        )
        self.network.maxpool = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, K)``."""
        return self.classify(images)[0]

    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B, K)`` and pooled vectors ``(B, D)``."""
        features = self.network.forward_features(self.preprocess(images))  # (B, D, h, w)
        pooled = self.network.forward_head(features, pre_logits=True)  # (B, D)
        return self.network.fc(pooled), pooled


def save_judge(judge: ResidualJudge, folder: Path, training: Mapping[str, Any], accuracy: Mapping[str, Any]) -> None:
    """Write ``judge.safetensors`` (half precision), ``judge.json`` and the model card."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.half() if value.is_floating_point() else value for name, value in judge.state_dict().items()}
    write_bytes(folder / WEIGHTS, save({name: value.contiguous() for name, value in state.items()}))
    config = {"schema_version": SCHEMA_VERSION, "spec": asdict(judge.spec), "accuracy": accuracy, "training": training}
    write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def load_residual_judge(name: str = "judge") -> ResidualJudge:
    """Load a judge by its name under ``checkpoints/``, from a folder, or from the hub; frozen, float32.

    Raises:
        ValueError: Not found, damaged, of another schema version, or weights that do not fit.
    """
    folder = find_published(name, marker=CONFIG, kind="judge")
    try:
        spec = _read_spec((folder / CONFIG).read_bytes())
        state = load_file(folder / WEIGHTS)
        with torch.device("meta"):  # takes no memory, whatever sizes the config asks for
            check_weights(ResidualJudge(spec), state)
        if broken := [key for key, value in state.items() if not torch.isfinite(value).all()]:
            raise ValueError(f"weight {broken[0]} holds NaN or infinity")
        judge = ResidualJudge(spec)
        judge.load_state_dict(state)  # float32 again
    except (SafetensorError, RuntimeError, ValueError, OSError) as error:
        raise ValueError(f"judge {folder} cannot be used: {one_line(error)}") from error
    return judge.eval().requires_grad_(False)


def _read_spec(text: bytes) -> JudgeSpec:
    values = parse_json(text)
    if not isinstance(values, dict) or values.get("schema_version") != SCHEMA_VERSION:
        version = values.get("schema_version") if isinstance(values, dict) else None
        raise ValueError(f"{CONFIG} has schema_version {version!r}; allowed: {SCHEMA_VERSION}")
    return read_strictly(f"{CONFIG}: spec", JudgeSpec, values.get("spec"))


JUDGE_NETWORKS.register("residual", JudgeNetwork("small residual network (Tiny ImageNet)", load_residual_judge))
