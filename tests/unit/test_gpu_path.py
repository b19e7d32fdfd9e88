"""What a GPU changes, as far as it shows without one: its config reaches its places, a step keeps to its device."""

from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from inverter.blackbox.build import build_module
from inverter.blackbox.config import TrainConfig
from inverter.config import config_root, load_config
from inverter.data.manifest import Manifest
from inverter.run import trainer as run_trainer
from inverter.run import training
from inverter.run.record import save_config
from inverter.stages import train


class Reached(Exception):
    """Training is about to begin."""


@pytest.fixture
def begin(train_config, tmp_path, monkeypatch):
    """Function from further words to what would be trained on the GPU: the Trainer's settings, module and data."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(run_trainer.L, "Trainer", lambda **settings: SimpleNamespace(**settings))

    def fit(trainer, module, data, checkpoint):
        raise Reached(trainer, module, data)

    monkeypatch.setattr(training, "fit", fit)
    save_config(train_config(tmp_path / "run"), tmp_path / "train.yaml")

    def run(*words: str):
        with pytest.raises(Reached) as reached:
            train.run(load_config(TrainConfig, [tmp_path / "train.yaml", "gpu.yaml"], ["data.batch_size=2", *words]))
        return reached.value.args

    return run


def convolutions(module: nn.Module) -> list[torch.Tensor]:
    return [part.weight for part in module.modules() if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1)]


def test_every_key_of_the_gpu_config_reaches_its_place(begin):
    trainer, module, data = begin("optim.precision=auto")
    loader = data.train_dataloader()
    reached = {
        "data": {"batch_size": 256, "num_workers": loader.num_workers, "pin_memory": loader.pin_memory},
        "channels_last": all(w.is_contiguous(memory_format=torch.channels_last) for w in convolutions(module)),
        "compile": all(part._compiled_call_impl is not None for part in module.inverter.children()),
        "trainer": {
            "device": {"gpu": "cuda"}[trainer.accelerator],
            "devices": trainer.devices,
            "num_nodes": trainer.num_nodes,
            "strategy": trainer.strategy,
        },
    }
    assert reached == OmegaConf.to_container(OmegaConf.load(config_root() / "gpu.yaml"))
    assert (loader.batch_size, trainer.precision) == (2, "bf16-mixed")


def test_the_config_can_be_turned_back(begin):
    words = [
        "channels_last=false",
        "compile=false",
        "data.pin_memory=false",
        "trainer.devices=4",
        "trainer.num_nodes=2",
    ]
    trainer, module, data = begin(*words)
    assert not any(w.is_contiguous(memory_format=torch.channels_last) for w in convolutions(module))
    assert all(part._compiled_call_impl is None for part in module.inverter.children())
    assert not data.train_dataloader().pin_memory
    assert (trainer.devices, trainer.num_nodes, trainer.strategy) == (4, 2, "ddp_find_unused_parameters_true")


def test_compiling_keeps_the_names_of_the_weights(train_config, tiny_shards, tmp_path):
    module = build_module(train_config(tmp_path), Manifest.load(tiny_shards / "train"))
    names = list(module.state_dict())
    module.compile_parts()
    assert list(module.state_dict()) == names


@pytest.mark.parametrize("kind", ["inverter", "upconv"])
def test_a_step_keeps_to_the_module_s_device(train_config, tiny_shards, tmp_path, monkeypatch, kind):
    """On ``meta`` a tensor that was left on the CPU is an error, as it would be on a GPU."""
    manifest = Manifest.load(tiny_shards / "train")
    module = build_module(train_config(tmp_path, kind), manifest).to("meta")
    monkeypatch.setattr(module, "log", lambda *args, **kwargs: None)
    monkeypatch.setattr(module, "log_dict", lambda *args, **kwargs: None)
    module.on_fit_start()
    batch = {
        "image": torch.empty(2, 3, 32, 32, device="meta"),
        "features": torch.empty(2, *manifest.target.feature_shape, device="meta"),
    }
    for latents in ({"latents": torch.empty(2, 4, 8, 8, device="meta")}, {}):
        loss = module.training_step(batch | latents, 0)
        assert loss.device.type == "meta" and loss.requires_grad
    assert module.reconstruct(batch["features"]).device.type == "meta"
