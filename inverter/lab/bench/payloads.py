"""What each payload takes in bytes, and what it leaves of a network's own answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from inverter.data.pictures import AUGMENTS, to_tensor
from inverter.data.sources.photos import PhotoSource
from inverter.payloads import make_payload
from inverter.payloads.entropy import ByteEntropy
from inverter.targets.load import load_network
from inverter.targets.split import Split
from inverter.targets.target import Target

PAYLOADS = (
    *("identity", "zlib", "zstd", "fp16", "int8", "int8+zlib", "int8+zstd", "minmax:8", "minmax:8:fit", "minmax:4"),
    *("minmax:4:channel", "minmax:2", "topk:0.1", "topk:0.1+int8", "mosaic-jpeg:90", "mosaic-jpeg:42"),
    *("mosaic-webp:42", "gaussian:0.5", "laplace:0.5", "dropout:0.5", "packets:0.1", "private:10000"),
    "minmax:8:fit+mosaic-jpeg:42",
)
SIZE = 224
"""Pixels a side of the pictures, and that the network sees."""


def pictures(split: str, count: int) -> Tensor:
    """Crops of the package photos for a split, ``(B, 3, 224, 224)`` in [0, 1]."""
    photos = islice(PhotoSource(count, count, split=split).shard(0), count)
    return torch.stack([to_tensor(AUGMENTS["none"](each.image, SIZE, 0)) for each in photos]).float() / 255


@torch.no_grad()
def table(layers: Sequence[str], target: str = "timm:tf_efficientnet_lite0", count: int = 40) -> Iterator[str]:
    """Rows of Markdown: mean bytes a picture, their entropy, relative error of what arrives, answers that stay."""
    loaded = load_network(target, input_size=SIZE)
    options = loaded.image_options(SIZE, None, None)
    splits = {layer: Split(Target(loaded.network, layer, **options)) for layer in layers}
    images, training = pictures("val", count), pictures("train", count)
    yield "| payload | " + " | ".join(f"{layer}: bytes | entropy | error | same answer" for layer in layers) + " |"
    yield "| --- |" + " --- |" * 4 * len(layers)
    features, fitted = (
        {layer: split.layer_features(each) for layer, split in splits.items()} for each in (images, training)
    )
    plain = splits[layers[0]](images).argmax(1)
    for name in PAYLOADS:
        cells = []
        for layer, split in splits.items():
            sent = make_payload(make_payload(name).fitted(fitted[layer])).send(features[layer])
            error = (sent.features - features[layer]).norm() / features[layer].norm()
            same = int((split.answer_to(sent.features).argmax(1) == plain).sum())
            entropy = ByteEntropy()
            entropy.add(sent.codes(), sent.features[0].numel())
            cells += [
                f"{sum(sent.num_bytes()) / count:,.0f}",
                f"{entropy.bits:.2f}",
                f"{error:.3f}",
                f"{same} of {count}",
            ]
        yield f"| `{name}` | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    for row in table(sys.argv[1:] or ["blocks.2", "blocks.4"]):
        sys.stdout.write(row + "\n")
        sys.stdout.flush()
