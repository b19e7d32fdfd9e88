"""Configuration: one dataclass schema a stage, filled from YAML files left to right, then from ``key=value``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from inverter.errors import one_line
from inverter.whitebox_config import MethodsConfig

T = TypeVar("T")
OmegaConf.register_resolver("slug", lambda text: re.sub(r"[^\w.-]+", "-", str(text)), replace=True)  # makes a file name


class ConfigError(ValueError):
    """A configuration that cannot be used: the message names the key, its value and what is allowed."""


@dataclass
class NetworkConfig:
    name: str = "timm:tf_efficientnet_lite0"  # timm:NAME | torchvision:NAME | module:package.module:factory
    input_size: int = 224  # pixels a side that the target sees
    payload: str = "identity"  # identity | int8 | gaussian:STD
    pretrained: bool = True


@dataclass
class TargetConfig(NetworkConfig):
    layer: str = "blocks.2"  # dotted name, as in named_modules(); `inverter layers TARGET` lists them


@dataclass
class LayersConfig:
    target: TargetConfig = field(default_factory=TargetConfig)
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
    image: str | None = None  # huggingface column of the pictures; null takes the first
    text: str | None = None  # huggingface column of the captions; null takes the names of the classes
    start: int = 0  # number of the first sample taken: keeps splits of one dataset apart
    shuffle: bool = True  # in an order that is always the same; false keeps the dataset's own
    download: bool = False  # let torchvision download what is not there


@dataclass
class PrepareConfig:
    target: TargetConfig = field(default_factory=TargetConfig)
    prior: str = "embedded"  # a name under checkpoints/, a folder or a hub id
    output: str = MISSING  # folder of the splits; pairs go to OUTPUT/SPLIT
    split: str = "train"  # train | dev | val
    source: str = "prior"  # prior | photos | (folder|shards|video):PATH | (torchvision|huggingface):NAME
    video: VideoConfig = field(default_factory=VideoConfig)  # of source=video:
    dataset: DatasetConfig = field(default_factory=DatasetConfig)  # of source=torchvision: and source=huggingface:
    features: str | None = None  # folder of captured features, one file an image (folder: source only)
    pairs: int | None = None  # number of pairs; null takes all that the source has
    shard_size: int = 512
    feature_dtype: str = "float16"  # float16 | float32
    latents: bool = True  # store the prior's latents beside the features
    augment: str = "none"  # none | jitter
    num_inference_steps: int = 4  # denoising steps of the prior source
    batch_size: int = 32
    precision: str = "bf16"  # bf16 | fp32
    max_time: int | None = None  # seconds; stops after the shard under way
    device: str = "auto"  # auto | cpu | cuda
    seed: int = 0


@dataclass
class DataConfig:
    path: str = MISSING  # folder with train/ and dev/ pair shards
    limit: int | None = None  # use the first N training pairs, or pictures of images, only
    batch_size: int = 64  # pairs a process
    num_workers: int = 1
    pin_memory: bool | None = None  # page-locked batches, copied to the GPU beside its work; null: where there is a GPU
    images: str | None = None  # image shards sent through the target while training; null: the stored training pairs


@dataclass
class ModelConfig:
    kind: str = "inverter"  # inverter | upconv (the baseline)
    width: int = 128  # channels of the aligner
    depth: int = 4  # residual blocks of the aligner
    num_tokens: int = 8  # conditioning tokens predicted beside the latents
    dropout: float = 0.0  # share of the aligner's channels dropped while training
    head: bool = True  # residual image head on top of the decoded latents
    head_width: int = 64
    latent_weight: float = 1.0
    image_weight: float = 1.0  # 0 with head=false decodes nothing while training
    head_weight: float = 1.0
    image_every_n_steps: int = 8  # steps between two that decode: the losses of image and head cost most of a step
    conditioning_weight: float = 0.1  # weight of the denoising loss that trains the conditioning tokens
    conditioning_every_n_steps: int = 8
    strength: float = 0.25  # of the sample operating point: 0 keeps the aligned latents, 1 starts from noise
    num_inference_steps: int = 8
    guidance_scale: float = 1.0


@dataclass
class OptimConfig:
    lr: float = 1e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 100
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    max_steps: int | None = None  # null: max_time alone ends the training
    max_time: int | None = 480  # seconds of training; the learning rate falls over whichever ends first
    precision: str = "bf16"  # bf16 | fp32
    patience: int | None = 20  # validations without a better dev/psnr before training stops


@dataclass
class TrainerConfig:
    device: str = "auto"  # auto | cpu | cuda
    devices: int = 1  # processes a node, each with a GPU of its own; -1 takes all GPUs
    num_nodes: int = 1
    strategy: str = "auto"  # auto | ddp | any other of Lightning's
    every_n_seconds: int = 60  # between two validations, reconstruction grids and checkpoints
    loggers: list[str] = field(default_factory=lambda: ["csv"])  # csv | tensorboard | wandb (offline)
    progress: bool = True


@dataclass
class TrainConfig:
    target: TargetConfig = field(default_factory=TargetConfig)  # checked against the shards' manifest
    prior: str = "embedded"
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    channels_last: bool = True  # memory layout of the weights that convolutions like on CPUs with AMX and on GPUs
    compile: bool = False  # torch.compile what is trained; takes a while at the start, so for long runs on a GPU
    output: str = MISSING
    resume: bool = True  # go on from OUTPUT/checkpoints/last.ckpt when it is there
    seed: int = 0


@dataclass
class ImageDataConfig:
    shards: str = MISSING  # image shards to train on: path, glob or braces
    dev: str = MISSING  # image shards for validation
    photos: str | None = None  # image shards of larger photos, of which random squares are trained on beside the shards
    photo_size: int = 256  # pixels a side that photos are kept at
    photo_share: float = 0.1  # share of the training pictures that are cut from photos
    photo_crop: float = 0.4  # least side of such a square, as a share of the photo's
    batch_size: int = 32
    num_workers: int = 1
    crop: int = 4  # pixels of random shift (autoencoder) or cut from the sides (denoiser); mirrored at random too
    cache: str | None = None  # folder of the decoded pictures, which runs may share; null: OUTPUT/pictures


@dataclass
class AutoencoderConfig:
    data: ImageDataConfig = field(default_factory=ImageDataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    resolution: int = 64
    latent_channels: int = 8
    encoder_width: int = 64
    decoder_width: int = 64
    encoder_blocks: list[int] = field(default_factory=lambda: [0, 0, 4])  # a stage: full, half, quarter resolution
    decoder_blocks: list[int] = field(default_factory=lambda: [5, 1, 0])  # a stage: quarter, half, full resolution
    l1_weight: float = 0.2
    multi_scale_weight: float = 0.1  # absolute error over a pyramid: counts what is wrong at large
    gradient_weight: float = 0.1  # absolute error of the finite differences: counts edges
    moment_weight: float = 0.01  # keeps each latent channel near mean 0 and variance 1
    latent_noise: float = 0.05  # std of the noise added to the unit-variance latents while training
    latent_std: float = 0.015625  # deviation of the latents inside the saved autoencoder; small keeps its tanh linear
    adversarial_weight: float = 0.0  # weight of the patch discriminator, relative to the other terms; 0 trains none
    adversarial_start: float = 0.7  # share of the training after which the discriminator takes part
    adversarial_lr: float = 4e-4
    discriminator_width: int = 48
    compile: bool = False
    output: str = MISSING
    resume: bool = True
    seed: int = 0


@dataclass
class DenoiserConfig:
    data: ImageDataConfig = field(default_factory=ImageDataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    autoencoder: str = MISSING  # diffusers folder of the trained autoencoder
    resolution: int = 64
    views: int = 4  # latents cached of each picture: itself, its mirror image, then slight crops and theirs
    widths: list[int] = field(default_factory=lambda: [64, 128, 192])
    layers_per_block: int = 1
    head_dim: int = 32
    text_width: int = 128
    text_layers: int = 2
    num_tokens: int = 24  # length of a tokenised prompt
    vocabulary: int = 1024
    prompt_dropout: float = 0.1  # share of training prompts replaced by "" (classifier-free guidance)
    prediction_type: str = "v_prediction"  # v_prediction | epsilon
    snr_gamma: float | None = 5.0  # largest weight of a timestep's x0 error (min-SNR); null: the prediction's own
    max_gmac: float | None = 1.2  # most multiply-adds of a forward pass, in 10^9; null: any number
    grid_prompts: int = 16  # captions of dev that samples are drawn for at each validation
    compile: bool = False
    output: str = MISSING
    resume: bool = True
    seed: int = 0


@dataclass
class DistillConfig:
    data: ImageDataConfig = field(default_factory=ImageDataConfig)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=2e-4, weight_decay=0.0))
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    prior: str = MISSING  # the trained prior: a name under checkpoints/ or a folder
    views: int = 4  # as for the denoiser, whose latents are used where it lies in the same output
    prompt_dropout: float = 0.1
    rank: int = 16
    max_megabytes: float = 5.0  # largest LoRA, in half precision
    guidance_scale: float = 2.0  # of the base's path, whose ends the variant draws without guidance
    num_ddim_steps: int = 50  # of the base's path
    huber: float = 0.01  # difference below which the loss is squared
    grid_prompts: int = 8  # captions of dev that samples are drawn for at each validation, in 1, 2 and 4 steps
    publish: bool = False  # also put the LoRA into the prior's folder, as PRIOR+few-step
    output: str = MISSING
    resume: bool = True
    seed: int = 0


@dataclass
class JudgeConfig:
    data: ImageDataConfig = field(default_factory=ImageDataConfig)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(ema_decay=0.0))  # batch statistics fit raw weights
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    val: str | None = None  # image shards that the accuracy in the model card is of; null: of dev
    num_classes: int = 200
    classes: str | None = None  # JSON list of the class names, in the order of the labels; null: numbers
    resolution: int = 64
    widths: list[int] = field(default_factory=lambda: [32, 64, 128, 256])
    depths: list[int] = field(default_factory=lambda: [2, 2, 2, 2])  # residual blocks a stage
    min_crop: float = 0.6  # least side of a random crop, as a share of the picture's
    label_smoothing: float = 0.1
    max_parameters: int = 4_000_000
    compile: bool = False
    output: str = MISSING
    resume: bool = True
    seed: int = 0


@dataclass
class EvaluateConfig:
    target: TargetConfig = field(default_factory=TargetConfig)  # names the run in eval.yaml
    inverter: str = MISSING  # a run folder or a published inverter (name, folder or hub id)
    prior: str | None = None  # where a published inverter's prior lies here; null: where the inverter says
    data: str | None = None  # folder of pair shards with val/ (and train/ for the floors); null takes the run's
    baseline: str | None = None  # run of the baseline, compared pair by pair
    judges: list[str] = field(default_factory=lambda: ["efficientnet-lite1"])
    limit: int | None = None  # evaluate the first N pairs only
    num_train: int | None = None  # training pairs searched by the nearest-neighbour floor; null: as many as trained it
    batch_size: int = 32
    num_bootstrap: int = 2000
    output: str | None = None  # null: RUN/evaluation, or runs/evaluation-NAME of a published one
    precision: str = "bf16"  # bf16 | fp32, of the attacks; whatever measures runs in float32
    device: str = "auto"
    seed: int = 0


@dataclass
class EvaluatePriorConfig:
    prior: str = "embedded"  # a name under checkpoints/, a folder or a hub id; with +few-step its variant
    val: str = MISSING  # image shards that took part in no training and no choice
    train: str | None = None  # image shards that the prior was trained on: floor, memorisation; null leaves these out
    cache: str | None = None  # folder of the decoded pictures; null: OUTPUT/pictures
    photos: bool = True  # also the round trip of photos that install with packages
    num_photos: int = 256  # crops of these photos
    num_samples: int = 5000  # pictures of each KID and FID
    num_text: int = 1000  # pictures drawn for prompted classes and backgrounds
    num_memory: int = 1000  # pictures compared with their nearest training picture
    num_speed: int = 64  # pictures drawn to measure speed
    steps: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 16, 32])  # of KID at guidance_scale
    guidances: list[float] = field(default_factory=lambda: [1.0, 2.0, 3.0, 5.0])  # of KID at num_inference_steps
    num_inference_steps: int = 8
    guidance_scale: float = 2.0
    judges: list[str] = field(default_factory=lambda: ["efficientnet-lite1"])
    batch_size: int = 64
    num_bootstrap: int = 2000
    precision: str = "bf16"  # bf16 | fp32, of drawing; round trips and whatever measures run in float32
    output: str = MISSING
    device: str = "auto"
    resume: bool = True  # keep the parts that OUTPUT/prior_metrics.json holds
    seed: int = 0


@dataclass
class SplitConfig:
    source: str = "prior"  # as for prepare
    pairs: int | None = None  # number of pairs a layer; null takes all that the source has
    augment: str = "none"  # none | jitter
    max_time: int | None = None  # seconds for all layers together; stops after the shard under way
    seed: int = 0


@dataclass
class AuditConfig:
    target: NetworkConfig = field(default_factory=NetworkConfig)
    layers: list[str] | None = None  # dotted names; null chooses num_layers of them, evenly spaced
    num_layers: int = 4
    prior: str = "embedded"
    train: SplitConfig = field(default_factory=SplitConfig)
    dev: SplitConfig = field(default_factory=SplitConfig)
    val: SplitConfig = field(default_factory=SplitConfig)
    shard_size: int = 512
    feature_dtype: str = "float16"  # float16 | float32
    num_inference_steps: int = 4  # denoising steps of the prior source
    data: DataConfig = field(default_factory=DataConfig)  # of training; {layer} in data.path stands for the layer
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)  # budget of each layer
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    judges: list[str] = field(default_factory=lambda: ["efficientnet-lite1"])
    num_train: int | None = None  # training pairs searched by retrieval; null: all
    num_bootstrap: int = 2000
    metric: str = "reid_mrr"  # of the headline score: reid_mrr | reid_top1 | agreement | ssim | psnr | lpips
    threshold: float = 0.1  # score under which a split is recommended, in (0, 1]
    fail_above: str | None = None  # LAYER:SCORE[,LAYER:SCORE]: exit with status 3 where a score may be above it
    num_pictures: int = 6  # shown for each layer
    output: str = MISSING
    seed: int = 0


@dataclass
class InvertConfig(MethodsConfig):
    method: str = "blackbox"  # blackbox | direct | latent | guided | hybrid; the last four differentiate the target
    target: TargetConfig = field(default_factory=TargetConfig)  # names the inverter in invert.yaml
    layers: list[str] | None = None  # white-box: several tapped layers, inverted jointly; null: target.layer alone
    inverter: str = "blocks.2"  # a name under checkpoints/, a folder or a hub id; it knows its own target
    prior: str | None = None  # white-box; null: the inverter's, else embedded
    image_size: int | None = None  # pixels a side with method=direct; null: the prior's
    input: str = MISSING  # a picture, a clip (white-box), features (.npy, .safetensors), or a folder of one kind
    video: VideoConfig = field(default_factory=VideoConfig)  # of a clip
    limit: int | None = None  # white-box: invert the first N inputs only
    operating_point: str = "mean"  # mean | sample
    prompt: str | None = None  # text for sample and for white-box methods with a prior; null: predicted, else empty
    prompts: str | None = None  # CSV with key,prompt or key,foreground,background; images not in it take prompt
    prompt_kind: str = "both"  # what is taken of a CSV: both | foreground | background | none
    guidance_scale: float | None = None  # null: as the inverter was published, 1 with white-box methods
    strength: float | None = None  # null: as the inverter was published
    output: str = "runs/invert"
    batch_size: int = 16
    device: str = "auto"
    seed: int = 0


@dataclass
class PublishConfig:
    run: str = MISSING  # a training run with its evaluation
    name: str = MISSING  # name of the published inverter
    output: str = "checkpoints"
    licence: str = "apache-2.0"
    preview: str | None = None  # evaluation folder whose pictures may be shown; null: no preview
    overwrite: bool = False


@dataclass
class ListConfig:
    path: str | None = None  # folder of published priors and inverters; null: checkpoints/


@dataclass
class BenchConfig:
    target: TargetConfig = field(default_factory=TargetConfig)
    prior: str = "embedded"
    inverter: str = "blocks.2"  # the published inverter whose speed is measured; its features are the target layer's
    layers: list[str] = field(default_factory=lambda: ["blocks.0", "blocks.2", "blocks.4", "blocks.6"])
    parts: list[str] = field(default_factory=lambda: ["training", "inference", "memory", "large_prior"])
    pairs: int = 256
    batch_size: int = 32
    rounds: int = 5
    steps: int = 30  # training steps a round of the comparison with a bare loop
    output: str = "runs/bench"
    device: str = "auto"
    seed: int = 0


def load_config(schema: type[T], files: Sequence[str | Path] = (), overrides: Sequence[str] = ()) -> T:
    """Fill a schema from YAML files, left to right, then from ``key=value`` overrides.

    Args:
        schema: Dataclass whose fields, types and defaults say what is allowed.
        files: YAML files; each holds only keys of the schema. A name without a folder is also looked up among the
            configs that come with the project.
        overrides: ``dotted.key=value`` strings; the value is YAML.
    Returns:
        An instance of ``schema``, no OmegaConf object anywhere inside.
    Raises:
        ConfigError: A file is missing or no YAML, a key is unknown, a type is wrong or a required value is absent.
    """
    merged = OmegaConf.structured(schema)
    for file in files:
        path = find_config(file)
        try:
            loaded = OmegaConf.load(path)
        except Exception as error:  # PyYAML has many error classes
            raise ConfigError(f"config file {path} is not valid YAML: {one_line(error)}") from error
        merged = _merge(schema, merged, loaded, str(path))
    for override in overrides:
        key, separator, _ = override.partition("=")
        if not separator or not key:
            raise ConfigError(f"argument {override!r} is neither a YAML file nor key=value")
        try:
            update = OmegaConf.from_dotlist([override])
        except Exception as error:
            raise ConfigError(f"argument {override!r} is not valid YAML: {one_line(error)}") from error
        merged = _merge(schema, merged, update, f"argument {override!r}")
    try:
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise ConfigError(f"required key(s) without a value: {', '.join(missing)} (give {missing[0]}=VALUE)")
        return OmegaConf.to_object(merged)  # type: ignore[return-value]
    except OmegaConfBaseException as error:  # an interpolation that leads nowhere
        raise ConfigError(f"key {str(error.full_key)!r}: {str(error).splitlines()[0]}") from error


def changed_keys(one: Any, other: Any) -> list[str]:
    """Dotted names of the keys in which two configs of one schema differ."""
    before, after = OmegaConf.structured(one), OmegaConf.structured(other)
    return [key for key in _keys(one) if OmegaConf.select(before, key) != OmegaConf.select(after, key)]


def find_config(file: str | Path) -> Path:
    """Path of a config file: as given, or among the configs that come with the project."""
    given = Path(file)
    for path in (given, config_root() / given, config_root() / given.name):
        if path.is_file():
            return path
    known = sorted(str(path.relative_to(config_root())) for path in config_root().rglob("*.yaml"))
    raise ConfigError(f"config file {str(file)!r} does not exist; configs that come with inverter: {', '.join(known)}")


def config_root() -> Path:
    """Folder of the project's configs: ``configs/`` of a checkout, or the copy inside an installed wheel."""
    checkout = Path(__file__).parents[1] / "configs"
    return checkout if checkout.is_dir() else Path(__file__).parent / "configs"


def save_config(config: Any, path: Path) -> None:
    """Write a resolved config as YAML."""
    path.write_text(OmegaConf.to_yaml(OmegaConf.structured(config)), encoding="utf-8")


def _merge(schema: type, merged: Any, update: Any, origin: str) -> Any:
    try:
        return OmegaConf.merge(merged, update)
    except OmegaConfBaseException as error:
        key = error.full_key or error.key
        message = str(error).splitlines()[0]
        if "not in" in message:
            known = _keys(schema)
            close = difflib.get_close_matches(str(key), known, n=3, cutoff=0.4)
            allowed = f"did you mean {', '.join(close)}?" if close else f"allowed: {', '.join(known)}"
            raise ConfigError(f"{origin}: unknown key {str(key)!r}; {allowed}") from error
        raise ConfigError(f"{origin}: key {str(key)!r}: {message}") from error
    except TypeError as error:  # a list where keys are, or the other way round
        raise ConfigError(f"{origin}: {one_line(error)}") from error


def _keys(schema: Any, prefix: str = "") -> list[str]:
    """Dotted names of every key of a schema."""
    default = schema() if isinstance(schema, type) else schema
    names: list[str] = []
    for entry in fields(default):
        value = getattr(default, entry.name)
        if is_dataclass(value):
            names += _keys(value, f"{prefix}{entry.name}.")
        else:
            names.append(prefix + entry.name)
    return names
