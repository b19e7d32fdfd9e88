"""Small pair shards with random contents."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inverter.data.manifest import Manifest
from inverter.data.shards import ShardRecord, ShardWriter
from inverter.data.statistics import FeatureStatistics
from inverter.targets.spec import RESIZE, TargetSpec

WriteShards = Callable[..., Path]


@pytest.fixture
def spec() -> TargetSpec:
    return TargetSpec(
        name="tiny",
        layer="features.2",
        input_size=8,
        feature_shape=(3, 2, 5),
        payload="identity",
        preprocessing={"resize": RESIZE, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
        weights_sha256="0" * 64,
    )


@pytest.fixture
def write_shards(tmp_path: Path, spec: TargetSpec) -> WriteShards:
    """Function that writes ``counts`` pairs a shard into a folder and returns it."""

    def write(counts: tuple[int, ...] = (5, 3), split: str = "train", latents: bool = True) -> Path:
        folder, number = tmp_path / split, 0
        folder.mkdir()
        generator = torch.Generator().manual_seed(len(split))
        records: list[ShardRecord] = []
        for index, count in enumerate(counts):
            with ShardWriter(folder, index) as writer:
                for _ in range(count):
                    writer.add(
                        f"pair-{number}",
                        torch.randint(0, 256, (3, 8, 8), generator=generator).to(torch.uint8),
                        torch.randn(3, 2, 5, generator=generator),
                        latents=torch.randn(4, 2, 2, generator=generator) if latents else None,
                        text=f"text {number}",
                        label=number,
                    )
                    number += 1
            assert writer.record is not None
            records.append(writer.record)
        statistics = records[0].statistics
        for record in records[1:]:
            statistics = FeatureStatistics.merge(statistics, record.statistics)
        Manifest(
            split=split,
            target=spec,
            prior="tiny",
            autoencoder_sha256="1" * 64,
            source="folder:pictures",
            num_pairs=number,
            num_sources=number,
            resolution=8,
            feature_dtype="float16",
            feature_mean=statistics.mean.tolist(),
            feature_std=statistics.std.tolist(),
            latents=latents,
            shards=[record.info for record in records],
            threat_model="black-box",
            seed=0,
            augment="none",
        ).save(folder)
        return folder

    return write
