"""Schemas of training an inverter, or the baseline, from pair shards."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config.memory import MemoryConfig
from inverter.config.pairs import TargetConfig


@dataclass
class PairsConfig:
    path: str = MISSING  # folder with train/ and dev/ pair shards
    limit: int | None = None  # use the first N training pairs, or pictures of images, only
    batch_size: int = 64  # pairs a process
    num_workers: int = 1
    pin_memory: bool | None = None  # page-locked batches, copied to the GPU beside its work; null: where there is a GPU


@dataclass
class DataConfig(PairsConfig):
    also: list[str] = field(default_factory=list)  # further ones, of other layers, whose inverters share the denoiser
    shares: list[float] | None = None  # how often a batch is of each of these folders; null: evenly
    images: str | None = None  # image shards sent through the target while training; null: the stored training pairs


@dataclass
class ModelConfig:
    kind: str = "inverter"  # inverter | upconv, fia_flow (the baselines) | surrogate (ranks draws for best_of)
    conditioning: str = "control"  # control (features with their places) | tokens (their mean, in the text's place)
    width: int = 128  # channels of the conditioner's map at the latents' side
    coarse_width: int = 192  # channels of its coarser map; of control
    depth: int = 4  # residual blocks of the conditioner
    num_tokens: int = 24  # tokens predicted beside the latents, or as many as the prior takes; of tokens
    dropout: float = 0.0  # share of the conditioner's channels dropped while training
    tune: str = "none"  # what of the denoiser is trained along: none | lora | full
    rank: int = 16  # of the LoRA
    tune_lr: float = 0.25  # learning rate of the denoiser, as a share of the conditioner's
    null_share: float = 0.1  # share of the training features replaced by a learned null, for guidance
    noise_level: float = 0.0  # half of the features get noise of up to this deviation, which the conditioner is told
    text_share: float = 0.15  # share of the steps with the pictures' texts beside the features
    alone_share: float = 0.1  # share of the steps of a tuned denoiser on the texts alone
    head: bool = True  # residual image head on top of the decoded latents
    head_width: int = 64
    latent_weight: float = 1.0
    image_weight: float = 1.0  # 0 with head=false decodes nothing while training
    head_weight: float = 1.0
    image_every_n_steps: int = 8  # steps between two that decode: the losses of image and head cost most of a step
    denoising_weight: float = 1.0  # of the loss that trains conditioner and denoiser
    denoising_every_n_steps: int = 1
    snr_gamma: float | None = 5.0  # bound of a timestep's weight; null is none
    text_weight: float = 1.0  # weight of the distance from the pictures' texts, where they have any; of tokens
    strength: float = 1.0  # of the sample operating point: 0 keeps the aligned latents, 1 starts from noise
    num_inference_steps: int = 10
    guidance_scale: float = 2.5
    guidance_interval: list[float] = field(default_factory=lambda: [0.0, 1.0])  # shares of the noise schedule


@dataclass
class OptimConfig:
    algorithm: str = "adamw"  # adamw | muon
    lr: float = 1e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 100
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    max_steps: int | None = None  # null: max_time alone ends the training
    max_time: int | None = 360  # seconds of training; the learning rate falls over whichever ends first
    precision: str = "auto"  # auto | bf16 | fp32
    patience: int | None = 20  # validations without a better dev score before training stops


@dataclass
class TrainerConfig:
    device: str = "auto"  # auto | cpu | cuda
    devices: int = 1  # processes a node, each with a GPU of its own; -1 takes all GPUs
    num_nodes: int = 1
    strategy: str = "auto"  # auto | ddp | any other of Lightning's
    every_n_seconds: int = 60  # between two validations, reconstruction grids and checkpoints
    loggers: list[str] = field(default_factory=lambda: ["csv"])  # csv | tensorboard | wandb
    wandb_mode: str = "offline"  # offline | online, with the account that `wandb login` stored
    progress: bool = True


@dataclass
class TrainConfig:
    target: TargetConfig = field(default_factory=TargetConfig)  # checked against the shards' manifest
    prior: str = "embedded"
    memory: MemoryConfig = field(default_factory=MemoryConfig)  # of the prior
    start_from: str | None = None  # published inverter of the same features and sizes, with whose weights to begin
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
class InverterDistillConfig:
    inverter: str = MISSING  # a run folder or a published inverter (name, folder or hub id)
    prior: str | None = None  # where a published inverter's prior lies here; null: where the inverter says
    data: PairsConfig = field(default_factory=lambda: PairsConfig(batch_size=32))
    text_share: float = 0.15  # share of the steps with the pictures' texts beside the features
    rank: int = 8
    max_megabytes: float = 2.0  # largest LoRA, in half precision
    num_inference_steps: int = 4  # in which the variant draws, without guidance
    num_ddim_steps: int = 12  # of the guided denoiser's path; a multiple of num_inference_steps
    guidance_scale: float | None = None  # of that path; null: as the inverter draws
    huber: float = 0.01  # difference below which the loss is squared
    num_dev: int = 128  # pairs of dev that validation goes through
    grid_pictures: int = 8  # of dev, that are drawn at each validation
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(lr=1e-3, weight_decay=0.0, ema_decay=0.99, max_time=1500, patience=None)
    )
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(every_n_seconds=300))
    publish: bool = False  # also put the LoRA into a published inverter's folder, as NAME+few-step
    output: str | None = None  # null: RUN/few_step, or runs/few-step-NAME of a published one
    resume: bool = True  # go on from OUTPUT/checkpoints/last.ckpt when it is there
    seed: int = 0
