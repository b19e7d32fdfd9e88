"""The model card of the project's own judge."""

from __future__ import annotations

from typing import Any

CARD = """---
license: apache-2.0
library_name: timm
tags: [image-classification, feature-inversion]
---
# {name}

A small residual classifier, the second judge of reconstructions: `judges=[efficientnet-lite1,residual]` shows it
beside the first. It was trained on pictures alone; no attack and no prior was trained with it.

| | |
| --- | --- |
| network | timm's `ResNet`, blocks {depths}, channels {widths}, deep stem, no pooling before the first stage |
| input | {resolution} px, normalised with ImageNet's mean and deviation |
| classes | {num_classes} |
| parameters | {parameters:,}, stored in half precision |
| top-1 on {split} | {top1} |
| top-5 on {split} | {top5} |
| training | {images_seen:,} pictures in {seconds:.0f} s; {processor}, {threads} threads |
| commit | `{commit}` |

Intervals are 95 % bootstrap intervals over {count} pictures that took part in no training{choice}. The command:

```bash
{command}
```

**Limits.** It knows the classes that it was trained on and sees {resolution} px. Where its pictures are cut from
ImageNet, targets and other judges with ImageNet weights have very probably seen them too.
"""


def render_judge_card(name: str, spec: dict[str, Any], accuracy: dict[str, Any], training: dict[str, Any]) -> str:
    """Markdown text of the card."""

    def percent(interval: dict[str, float]) -> str:
        return f"{interval['mean']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"

    return CARD.format(
        name=name,
        depths=", ".join(map(str, spec["depths"])),
        widths=", ".join(map(str, spec["widths"])),
        resolution=spec["resolution"],
        num_classes=spec["num_classes"],
        parameters=training["parameters"],
        split=accuracy["split"],
        top1=percent(accuracy["top1"]),
        top5=percent(accuracy["top5"]),
        count=f"{accuracy['num_pictures']:,}",
        choice="" if accuracy["split"] == "val" else ", but chose its best state",
        images_seen=training["images_seen"],
        seconds=training["seconds"],
        processor=training["environment"]["processor"],
        threads=training["environment"]["threads"],
        commit=training["commit"],
        command=training["command"],
    )
