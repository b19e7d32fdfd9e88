"""Schemas of what a target is and of preparing (image, feature) pairs."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config.memory import MemoryConfig
from inverter.config.values import CHAIN


@dataclass
class ArchitectureConfig:
    name: str = "timm:tf_efficientnet_lite0"  # timm:, torchvision: or transformers:NAME, module:PACKAGE.MODULE:FACTORY
    input_size: int = 224  # pixels a side that the target sees


@dataclass
class NetworkConfig(ArchitectureConfig):
    payload: str = field(default="identity", metadata=CHAIN)  # docs/payloads.md; several: [topk:0.1,int8]
    pretrained: bool = True
    defence: str | None = None  # folder of a trained defence, as `inverter defend` writes it; null: undefended


@dataclass
class TargetConfig(NetworkConfig):
    layer: str = "blocks.2"  # dotted name, as in named_modules(), or joint ones: blocks.2+blocks.6


@dataclass
class LayersConfig:
    target: ArchitectureConfig = field(default_factory=ArchitectureConfig)
    picture_size: int = 64  # pixels a side of the picture that the ratio compares with
    depth: int | None = None  # deepest dotted name listed


@dataclass
class VideoConfig:
    stride: int = 1  # take every so many-th frame of a clip
    fps: float | None = None  # take so many frames a second instead; null goes by stride


@dataclass
class DatasetConfig:
    root: str | None = None  # folder of torchvision's files
    split: str | None = None  # as the dataset calls it, huggingface also a slice such as train[:90%]; null: its own
    config: str | None = None  # configuration of a huggingface dataset that has several
    image: str | None = (
        None  # huggingface column of the pictures, ending of those of shards (jpg); null: the first, the only one
    )
    text: str | None = None  # huggingface column of the captions; null takes the names of the classes
    start: int = 0  # number of the first sample taken: keeps splits of one dataset apart
    shuffle: bool = True  # in an order that is always the same; false keeps the dataset's own
    download: bool = False  # let torchvision download what is not there


@dataclass
class TableConfig:
    vector: str | None = None  # column of the vectors; null: the only one of lists of floating point
    picture: str | None = None  # column of paths or bytes; null: the only one, of source=folder: a picture a row
    label: str | None = None  # column of whole numbers, the class of each picture; null: none


@dataclass
class PrepareConfig:
    target: TargetConfig = field(default_factory=TargetConfig)
    prior: str = "embedded"  # a name under checkpoints/, a folder or a hub id
    memory: MemoryConfig = field(default_factory=MemoryConfig)  # of the prior
    output: str = MISSING  # folder of the splits; pairs go to OUTPUT/SPLIT
    split: str = "train"  # train | dev | val
    mean: list[float] | None = None  # of each colour, as an attacker believes; null: as the network is given it
    std: list[float] | None = None  # likewise, the deviation
    source: str = "prior"  # prior | photos | table | (folder|shards|video):PATH | (torchvision|huggingface):NAME
    video: VideoConfig = field(default_factory=VideoConfig)  # of source=video:
    dataset: DatasetConfig = field(default_factory=DatasetConfig)  # of source=torchvision: and source=huggingface:
    features: str | None = (
        None  # captured ones: a folder, one file an image, or a table (source=table and folder: only)
    )
    table: TableConfig = field(default_factory=TableConfig)  # of features=TABLE.(parquet|arrow|feather|npy)
    feature_shape: list[int] | None = None  # of one image's captured features; null goes by spec.json or the files
    feature_axes: str | None = (
        None  # of captured features: CHW | HWC | ND | D; with B first: FILE.txt names the pictures
    )
    pairs: int | None = None  # number of pairs; null takes all that the source has
    shard_size: int = 512
    feature_dtype: str = "float16"  # float16 | float32
    latents: bool = True  # store the prior's latents beside the features
    augment: str = "none"  # none | jitter | vary
    num_inference_steps: int | None = None  # of the prior source; null: 4, of a few-step variant 2
    batch_size: int = 32
    precision: str = "auto"  # auto | bf16 | fp32
    max_time: int | None = None  # seconds; stops after the shard under way
    device: str = "auto"  # auto | cpu | cuda
    seed: int = 0
