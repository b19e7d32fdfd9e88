import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from inverter.blackbox.distillation import InverterDistillModule
from inverter.blackbox.few_step import FOLDER, WEIGHTS
from inverter.blackbox.load import load_inverter
from inverter.config import InverterDistillConfig, OptimConfig, PairsConfig, TrainerConfig
from inverter.data.datamodule import pair_loader
from inverter.priors.load import load_prior
from inverter.stages import distill
from inverter.targets.target import weights_sha256


@pytest.fixture
def published(tiny_published, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_published, tmp_path / "toy"))


@pytest.fixture
def config(published, tiny_prior_folder, tiny_shards, tmp_path) -> InverterDistillConfig:
    return InverterDistillConfig(
        inverter=str(published),
        prior=str(tiny_prior_folder),
        data=PairsConfig(path=str(tiny_shards), batch_size=4, num_workers=0),
        rank=2,
        num_inference_steps=2,
        num_ddim_steps=4,
        guidance_scale=2.0,
        grid_pictures=2,
        optim=OptimConfig(max_steps=3, max_time=None, precision="fp32", warmup_steps=1, lr=1e-2, patience=None),
        trainer=TrainerConfig(device="cpu", every_n_seconds=0, progress=False),
        publish=True,
        output=str(tmp_path / "distilled"),
    )


@pytest.fixture
def module(config, tiny_prior_folder) -> InverterDistillModule:
    inverter = load_inverter(config.inverter, load_prior(tiny_prior_folder))
    torch.nn.init.normal_(inverter.conditioner.to_hint.weight, std=0.2)  # fresh control is zero
    return InverterDistillModule(config, inverter)


def test_the_variant_is_loaded_by_its_name(config, published, tiny_prior, capsys):
    distill.run(config)
    base, fast = load_inverter(str(published), tiny_prior), load_inverter(f"{published}+few-step", tiny_prior)
    assert weights_sha256(base) == weights_sha256(fast)
    assert base.prior.weights_sha256 != fast.prior.weights_sha256
    assert (fast.spec.num_inference_steps, fast.spec.guidance_scale, fast.spec.strength) == (2, 1.0, 0.5)
    told = json.loads((published / FOLDER / "few_step.json").read_text())
    assert told["guidance_scale"] == 2.0 and told["training"]["steps"] == 3 and told["training"]["pairs"] == 10
    noisy, text, t = torch.randn(2, 4, 8, 8), torch.randn(2, 12, 32), torch.tensor([10, 900])
    with torch.no_grad():
        outputs = [each.prior.denoiser(noisy, t, text).sample for each in (base, fast)]
    assert not torch.allclose(*outputs, atol=1e-5)
    assert (Path(config.output) / WEIGHTS).read_bytes() == (published / FOLDER / WEIGHTS).read_bytes()
    for changes, message in (
        ({"inverter": f"{published}+few-step"}, "inverter is '.*', which draws in few steps already; allowed: "),
        ({"num_dev": 0}, "num_dev is 0; allowed: 1 or more pairs"),
    ):
        with pytest.raises(ValueError, match=message):
            distill.run(replace(config, **changes))


def test_a_terminated_run_goes_on_exactly(config, tmp_path, monkeypatch):
    def terminate(self, batch, batch_idx):
        if self.global_step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch, batch_idx)

    original, states = InverterDistillModule.training_step, []
    for name in ("whole", "parted"):
        part = replace(config, output=str(tmp_path / name))
        if name == "parted":
            with monkeypatch.context() as patch:
                patch.setattr(InverterDistillModule, "training_step", terminate)
                with pytest.raises(SystemExit):
                    distill.run(part)
        states.append(load_file(distill.run(part) / WEIGHTS))
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_step_trains_the_lora_alone_and_towards_the_guided_path(module, tiny_shards):
    batch = next(iter(pair_loader(tiny_shards / "train", 10)))
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=1e-2)

    def fixed() -> float:
        with torch.no_grad():
            return module.loss(batch, torch.Generator().manual_seed(0)).item()

    before = fixed()
    for _ in range(12):
        optimizer.zero_grad()
        module.loss(batch, torch.Generator().manual_seed(0)).backward()
        optimizer.step()
    moved = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    assert moved and all("lora" in name for name in moved)
    assert fixed() < 0.7 * before


def test_outside_of_the_interval_the_path_is_not_guided(module, tiny_shards, monkeypatch):
    batch, scales = next(iter(pair_loader(tiny_shards / "train", 10))), []
    guide = module.prior.guide

    def recorded(noisy, t, *args, guidance_scale, **more):
        scales.append((t, guidance_scale.flatten()))
        return guide(noisy, t, *args, guidance_scale=guidance_scale, **more)

    monkeypatch.setattr(module.prior, "guide", recorded)
    module.inverter.spec = replace(module.inverter.spec, guidance_interval=(0.4, 0.8))
    module.loss(batch, None)
    assert len(scales) == 2
    for t, scale in scales:
        assert torch.equal(scale, torch.where(((t + 1) >= 400) & ((t + 1) <= 800), 2.0, 1.0))


def test_what_cannot_be_distilled(config, module, tiny_prior):
    with pytest.raises(ValueError, match=r"num_inference_steps is 3; allowed: what divides num_ddim_steps=4"):
        InverterDistillModule(replace(config, num_inference_steps=3), module.inverter)
    module.inverter.spec = replace(module.inverter.spec, strength=0.2)
    with pytest.raises(ValueError, match=r"strength is 0.2, which leaves none of num_inference_steps=2 to run"):
        InverterDistillModule(config, module.inverter)
    module.inverter.spec = replace(module.inverter.spec, strength=1.0)
    module.prior.few_step = True
    with pytest.raises(ValueError, match=r"which draws in few steps already"):
        InverterDistillModule(config, module.inverter)
