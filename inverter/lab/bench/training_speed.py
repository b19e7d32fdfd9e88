"""Training: the step against a plain one, Lightning's loop against a bare one, the loader against both."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from inverter.blackbox.build import build_module
from inverter.blackbox.config import TrainConfig
from inverter.blackbox.models.inverter import InverterConfig
from inverter.blackbox.modules.inverter import InverterModule
from inverter.blackbox.pair_module import PairModule
from inverter.config import DataConfig, OptimConfig, TrainerConfig
from inverter.data.datamodule import PairDataModule
from inverter.lab.bench.config import BenchConfig
from inverter.lab.bench.measurement import Measurement, alternate, clock, divide, synchronise
from inverter.run.device import pick_device, pick_precision
from inverter.run.trainer import build_trainer

WARM_UP = 5  # steps before the clock of a loop starts


def measure(config: BenchConfig, pairs: Path) -> list[Measurement]:
    """Ratios of the training step, the loop and the loader on the pairs of one folder."""
    device = torch.device(pick_device(config.device))
    precision = pick_precision("auto", device)
    train = _train_config(config, pairs)
    data = PairDataModule(
        str(pairs / "train"), None, batch_size=config.batch_size, num_workers=train.data.num_workers, seed=config.seed
    )
    batch = _to(next(iter(data.train_dataloader())), device)
    with _without_trainer():
        fast = _step_seconds(_module(train, data, device, fast=True), batch, config.rounds, device, precision)
        plain = _step_seconds(_module(train, data, device, fast=False), batch, config.rounds, device, "fp32")
    rates = [config.batch_size / seconds for seconds in fast]
    loader = data.train_dataloader()
    _reading_rate(loader, config.batch_size)  # starts the reading processes
    reading = [_reading_rate(loader, config.batch_size) for _ in range(config.rounds)]
    loops = [_loops(train, data, config.steps, device, precision) for _ in range(config.rounds)]
    return [
        Measurement.of(
            "training step",
            "x",
            divide(plain, fast),
            f"fp32 without channels-last over {precision} with it: seconds of a whole step of the inverter",
            aim=3.0,
        ),
        Measurement.of("training", "images/s", rates, f"whole steps of {config.batch_size} pairs, without the loader"),
        Measurement.of(
            "Lightning's loop",
            "x",
            [lightning / bare for lightning, bare in loops],
            "Trainer with its callbacks over a bare PyTorch loop with the same steps, clipping, schedule and average",
            aim=1.05,
            more_is_better=False,
        ),
        Measurement.of(
            "loader",
            "x",
            divide(reading, rates),
            "pairs a second that the loader reads, over whole passes, over pairs a second that training takes",
            aim=2.0,
        ),
    ]


def _train_config(config: BenchConfig, pairs: Path) -> TrainConfig:
    return TrainConfig(
        target=config.target,
        prior=config.prior,
        data=DataConfig(path=str(pairs), batch_size=config.batch_size),
        optim=OptimConfig(max_steps=config.steps + WARM_UP, max_time=None, patience=None),
        trainer=TrainerConfig(device=config.device, every_n_seconds=3600, progress=False),
        output=str(pairs.parent),
        seed=config.seed,
    )


def _module(train: TrainConfig, data: PairDataModule, device: torch.device, *, fast: bool) -> InverterModule:
    module = cast(InverterModule, build_module(train, data.manifest)).to(device).train()
    module.on_fit_start()  # one kernel of attention for both: the comparison is of precision and layout
    if fast:  # as the train stage does it
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def _step_seconds(
    module: InverterModule, batch: dict[str, Any], rounds: int, device: torch.device, precision: str
) -> list[float]:
    """Seconds of an average step: what most steps leave out is timed apart and weighted."""
    optimizer, model = torch.optim.AdamW(module.network().parameters(), lr=1e-4), module.model

    def step(decode: bool, denoise: bool) -> Callable[[], None]:
        def loss() -> Tensor:
            return torch.stack([*module.losses(batch, decode=decode, denoise=denoise).values()]).sum()

        return lambda: _optimise(module, loss, optimizer, device, precision)

    steps = [step(False, False), step(True, False), step(False, True)]
    return [
        plain + (decoding - plain) / model.image_every_n_steps + (conditioning - plain) / model.denoising_every_n_steps
        for plain, decoding, conditioning in zip(*alternate(steps, rounds, device, repeats=3), strict=True)
    ]


def _optimise(
    module: PairModule,
    loss_of_batch: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    precision: str,
) -> None:
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        loss = loss_of_batch()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.network().parameters(), 1.0)
    optimizer.step()


def _reading_rate(loader: Any, batch_size: int) -> float:
    """Pairs a second of one whole pass, with the wait for its first batch: until it begins, none is read ahead."""
    start = time.perf_counter()
    count = sum(1 for _ in loader)
    return count * batch_size / (time.perf_counter() - start)


def _loops(
    train: TrainConfig, data: PairDataModule, steps: int, device: torch.device, precision: str
) -> tuple[float, float]:
    """Seconds of ``steps`` steps under Lightning's Trainer and in a bare loop; each decodes, none denoises."""
    model = cast(InverterConfig, train.model)
    model.image_every_n_steps, model.denoising_weight = 1, 0.0
    with tempfile.TemporaryDirectory() as folder, _without_trainer():
        watch = _Watch(device)
        trainer = build_trainer(train.optim, train.trainer, Path(folder), monitor="dev/psnr", callbacks=[watch])
        module = _module(train, data, device, fast=True)
        trainer.fit(module, data)
        lightning = watch.seconds
    module = _module(train, data, device, fast=True)
    optimizer = torch.optim.AdamW(module.network().parameters(), lr=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    average = AveragedModel(module.network(), avg_fn=get_ema_avg_fn(train.optim.ema_decay))
    batches = chain.from_iterable(repeat(data.train_dataloader()))

    def step() -> None:
        batch = _to(next(batches), device)
        _optimise(module, lambda: module.training_step(batch, 0), optimizer, device, precision)
        schedule.step()
        average.update_parameters(module.network())

    with _without_trainer():
        for _ in range(WARM_UP):
            step()
        return lightning, clock(step, device, steps) * steps


class _Watch(Callback):
    """Seconds from the end of the warm-up to the end of the last step."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.start, self.seconds = device, 0.0, 0.0

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        if trainer.global_step == WARM_UP:
            synchronise(self.device)
            self.start = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        synchronise(self.device)
        self.seconds = time.perf_counter() - self.start


def _to(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    return {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}


@contextmanager
def _without_trainer() -> Iterator[None]:
    """Lightning warns about logging outside a Trainer and about small settings; neither matters to a clock."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
