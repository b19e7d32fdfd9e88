"""Schemas of what trainings from pair shards share, and of distilling an inverter."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING


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
class OptimConfig:
    algorithm: str = "adamw"  # adamw | muon
    lr: float = 1e-3
    weight_decay: float = 1e-2  # decoupled from the gradient
    warmup_steps: int = 100  # over which the learning rate rises
    gradient_clip: float = 1.0  # largest norm of the gradient
    ema_decay: float = 0.999  # of the averaged weights, which are validated and published; 0 averages nothing
    max_steps: int | None = None  # null: max_time alone ends the training
    max_time: int | None = 360  # seconds of training; the learning rate falls over whichever ends first
    precision: str = "auto"  # auto | bf16 | fp32
    patience: int | None = 20  # validations without a better dev score before training stops


@dataclass
class TrainerConfig:
    device: str = "auto"  # auto | cpu | cuda
    devices: int = 1  # processes a node, each with a GPU of its own; -1 takes all GPUs
    num_nodes: int = 1  # machines
    strategy: str = "auto"  # auto | ddp | any other of Lightning's
    every_n_seconds: int = 60  # between two validations, reconstruction grids and checkpoints
    loggers: list[str] = field(default_factory=lambda: ["csv"])  # csv | tensorboard | wandb
    wandb_mode: str = "offline"  # offline | online, with the account that `wandb login` stored
    progress: bool = True  # a bar in a terminal, lines elsewhere


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
