import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, Timer
from timm.optim import Muon

from inverter.blackbox import pairs_prior
from inverter.blackbox.build import build_module, load_run
from inverter.blackbox.config import TrainConfig
from inverter.blackbox.modules.inverter import InverterModule
from inverter.blackbox.modules.upconv import UpconvModule
from inverter.config import OptimConfig, TrainerConfig
from inverter.data.datamodule import PairDataModule
from inverter.data.manifest import Manifest
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior
from inverter.run import record as run_record
from inverter.run.optimizer import build_optimizer
from inverter.run.record import save_config
from inverter.run.trainer import build_trainer, ema
from inverter.run.training import fit, resume_path
from inverter.stages import train

WEIGHTS = ("state_dict", "current_model_state")  # averaged, raw


def load(run: Path, name: str = "last") -> dict:
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)


def assert_same_training(found: dict, expected: dict) -> None:
    assert found["global_step"] == expected["global_step"]
    assert found["averaging_state"]["n_averaged"] == expected["averaging_state"]["n_averaged"]
    for part in WEIGHTS:
        assert found[part].keys() == expected[part].keys()
        for name, value in expected[part].items():
            torch.testing.assert_close(found[part][name], value, rtol=0, atol=1e-6, msg=f"{part} {name}")
    assert not torch.equal(*(found[part]["inverters.0.conditioner.stem.weight"] for part in WEIGHTS))


@pytest.fixture(scope="module")
def whole(train_config, tmp_path_factory) -> tuple[TrainConfig, dict]:
    """Five steps straight through: an epoch has two."""
    config = train_config(tmp_path_factory.mktemp("runs") / "whole", max_steps=5)
    return config, load(train.run(config))


@pytest.fixture
def config(train_config, tmp_path) -> TrainConfig:
    """The same training with another output."""
    return train_config(tmp_path / "run", max_steps=5)


def terminate_at(monkeypatch: pytest.MonkeyPatch, step: int, hook: str) -> None:
    """Send this process SIGTERM when ``hook`` begins with ``step`` steps done."""
    original = getattr(InverterModule, hook)

    def replacement(self, batch, batch_idx):
        if self.global_step == step and (hook == "training_step" or batch_idx == 0):
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(InverterModule, hook, replacement)


@pytest.mark.parametrize("step", [2, 3])
def test_a_terminated_run_goes_on_exactly(config, whole, monkeypatch, step):
    with monkeypatch.context() as patch:
        terminate_at(patch, step - 1, "training_step")
        with pytest.raises(SystemExit):
            train.run(config)
    assert load(Path(config.output))["global_step"] == step
    train.run(config)
    assert_same_training(load(Path(config.output)), whole[1])


def test_a_terminated_run_goes_on_exactly_with_muon(train_config, tmp_path, monkeypatch):
    runs = []
    for name in ("whole", "parted"):
        config = train_config(tmp_path / name, max_steps=4)
        config.optim.algorithm = "muon"
        if name == "parted":
            with monkeypatch.context() as patch:
                terminate_at(patch, 2, "training_step")
                with pytest.raises(SystemExit):
                    train.run(config)
        runs.append(load(train.run(config)))
    assert_same_training(*runs)


def test_a_state_of_another_muon_is_refused(train_config, tmp_path):
    config = train_config(tmp_path / "run", max_steps=2)
    config.optim.algorithm = "muon"
    last = train.run(config) / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    for group in checkpoint["optimizer_states"][0]["param_groups"]:
        del group["nesterov"], group["algo"]  # timm fills in algo
    torch.save(checkpoint, last)
    config.optim.max_steps = 3
    with pytest.raises(
        ValueError, match=r"is of another optimizer: its groups lack \['nesterov'\]; train in a new outp"
    ):
        train.run(config)


def test_the_algorithm_is_the_one_asked_for():
    module = SimpleNamespace(trainer=SimpleNamespace(callbacks=[]))
    for name, kind in (("adamw", torch.optim.AdamW), ("muon", Muon)):
        optim = OptimConfig(algorithm=name, max_steps=5)
        assert type(build_optimizer(module, [torch.nn.Parameter(torch.zeros(()))], optim)["optimizer"]) is kind


def test_an_unknown_optimiser():
    module = SimpleNamespace(trainer=SimpleNamespace(callbacks=[]))
    with pytest.raises(ValueError, match=r"optim\.algorithm is 'sgd'; allowed: adamw, muon"):
        build_optimizer(module, [torch.nn.Parameter(torch.zeros(()))], OptimConfig(algorithm="sgd"))


def test_a_run_terminated_in_validation_goes_on_exactly(config, whole, monkeypatch):
    """While it validates, the module holds the averaged weights; they must not be saved as the raw ones."""
    with monkeypatch.context() as patch:
        terminate_at(patch, 3, "validation_step")
        patch.setattr(ModelCheckpoint, "on_train_batch_end", lambda *_: None)  # only the exception saves
        with pytest.raises(SystemExit):
            train.run(config)
    assert load(Path(config.output))["global_step"] == 3
    validated: dict[int, list[str]] = {}
    original = InverterModule.validation_step

    def record(self, batch, batch_idx):
        validated.setdefault(self.global_step, []).extend(batch["key"])
        return original(self, batch, batch_idx)

    monkeypatch.setattr(InverterModule, "validation_step", record)
    train.run(config)
    assert_same_training(load(Path(config.output)), whole[1])
    assert validated.keys() >= {4, 5}
    for keys in validated.values():  # never on a part of the pairs, which would make a wrong best state
        assert keys[:5] == [f"dev-{number}" for number in range(5)]


def test_the_seed_decides(config, whole):
    config.seed = 1
    other = load(train.run(config))
    assert not torch.allclose(
        other["state_dict"]["inverters.0.conditioner.stem.weight"],
        whole[1]["state_dict"]["inverters.0.conditioner.stem.weight"],
    )


def test_a_finished_run_is_not_trained_again(whole, caplog):
    caplog.set_level("INFO")
    config, checkpoint = whole
    best = load(Path(config.output), "best")
    train.run(config)
    assert_same_training(load(Path(config.output)), checkpoint)
    assert load(Path(config.output), "best")["global_step"] == best["global_step"]
    assert "resuming from" in caplog.text


def test_a_run_that_moved_keeps_its_best(whole, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(whole[0].output, moved)
    last = load(moved)
    (best,) = (state for state in last["callbacks"].values() if state.get("monitor"))
    best.update(best_model_score=torch.tensor(0.0), kth_value=torch.tensor(0.0))
    best["best_k_models"] = {best["best_model_path"]: torch.tensor(0.0)}
    torch.save(last, moved / "checkpoints" / "last.ckpt")
    config = replace(whole[0], output=str(moved), optim=replace(whole[0].optim, max_steps=6))
    train.run(config)
    (state,) = (each for each in load(moved)["callbacks"].values() if each.get("monitor"))
    assert load(moved)["global_step"] == 6 and load(moved, "best")["global_step"] <= 5
    assert state["best_model_score"] == 0 and Path(state["best_model_path"]).parent == moved / "checkpoints"
    (moved / "checkpoints" / "best.ckpt").unlink()  # without it a score would stand for nothing
    train.run(replace(config, optim=replace(config.optim, max_steps=7), output=str(moved.rename(tmp_path / "again"))))
    assert load(tmp_path / "again", "best")["global_step"] == 7


def test_a_finished_run_ends_with_its_averaged_weights(config):
    def end() -> tuple[torch.Tensor, dict]:
        data = PairDataModule(f"{config.data.path}/train", f"{config.data.path}/dev", batch_size=4)
        module = build_module(config, data.manifest)
        trainer = build_trainer(config.optim, config.trainer, Path(config.output), monitor="dev/psnr")
        last = Path(config.output) / "checkpoints" / "last.ckpt"
        fit(trainer, module, data, str(last) if last.is_file() else None)
        return module.state_dict()["inverters.0.conditioner.stem.weight"], load(Path(config.output))

    for _ in range(2):  # the second trains no step
        weights, checkpoint = end()
        assert checkpoint["global_step"] == 5
        torch.testing.assert_close(
            weights, checkpoint["state_dict"]["inverters.0.conditioner.stem.weight"], rtol=0, atol=0
        )


def test_a_fresh_start_on_request(config, monkeypatch):
    with monkeypatch.context() as patch:
        terminate_at(patch, 1, "training_step")
        with pytest.raises(SystemExit):
            train.run(config)
    config.resume = False
    steps = []
    original = InverterModule.training_step
    monkeypatch.setattr(
        InverterModule, "training_step", lambda self, *args: steps.append(self.global_step) or original(self, *args)
    )
    train.run(config)
    assert steps == [0, 1, 2, 3, 4]


def test_a_short_run_still_ends_with_its_best_state(config):
    config.trainer = TrainerConfig(device="cpu", every_n_seconds=600, progress=False)
    run = train.run(config)
    assert load(run, "best")["global_step"] == load(run)["global_step"] == 5


def test_a_fresh_start_never_goes_on_from_the_run_before(config, monkeypatch):
    train.run(config)
    config.resume, config.optim.lr = False, 3e-4
    with monkeypatch.context() as patch:
        patch.setattr(InverterModule, "training_step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train.run(config)
    run = Path(config.output)
    assert not list(run.glob("checkpoints/*.ckpt"))
    assert not (run / "summary.json").exists()
    config.resume = True
    assert resume_path(config, "train") is None


def test_a_fresh_start_that_is_refused_leaves_the_run_before(config):
    train.run(config)
    config.resume, config.trainer.devices = False, 0
    with pytest.raises(ValueError, match="trainer: "):
        train.run(config)
    assert load(Path(config.output))["global_step"] == 5


def test_a_run_knows_its_prior(config, monkeypatch):
    run = train.run(config)
    load_run(run)
    monkeypatch.setattr(pairs_prior, "load_prior", lambda *named, **_: changed(load_prior(*named)))
    with pytest.raises(ValueError, match=r"prior .* has weights ffffffffffff, but .* was trained with "):
        load_run(run)
    config.optim.max_steps = 6
    with pytest.raises(ValueError, match=r"prior has weights ffffffffffff, but the run in output was begun with "):
        train.run(config)


def test_a_run_that_did_not_go_on_is_not_recorded_as_if(config, monkeypatch):
    run = train.run(config)
    before = {name: (run / name).read_bytes() for name in ("train.yaml", "train.json")}
    monkeypatch.setattr(run_record, "commit", lambda: "another")
    config.trainer.progress = True
    train.run(config)  # has no step left
    with monkeypatch.context() as patch:
        patch.setattr(pairs_prior, "load_prior", lambda *named, **_: changed(load_prior(*named)))
        config.optim.max_steps = 6
        with pytest.raises(ValueError, match="was begun with"):
            train.run(config)
    assert before == {name: (run / name).read_bytes() for name in before}
    train.run(config)
    assert json.loads((run / "train.json").read_text())["resumed"][0]["commit"] == "another"


def test_patience_may_grow(config):
    config.optim.patience, config.optim.lr, config.optim.max_steps = 1, 0.0, 50
    run = train.run(config)
    ended = load(run)["global_step"]
    config.optim.patience = 4
    train.run(config)
    assert ended < load(run)["global_step"] < 20


def changed(prior: DiffusionPrior) -> DiffusionPrior:
    """The prior as if its denoiser had been trained on."""
    prior.weights_sha256 = "f" * 64
    return prior


def test_training_stops_where_the_score_no_longer_grows(config):
    config.optim.max_steps, config.optim.patience, config.optim.lr = 50, 1, 0.0
    run = train.run(config)
    assert load(run)["global_step"] < 10


def test_checkpoints_hold_no_prior(whole):
    assert all(name.startswith("inverters.0.") for part in WEIGHTS for name in whole[1][part])


def test_sigterm_to_the_command_line(config, tmp_path):
    """Exit status 143, as a shell expects of a terminated command, and a checkpoint to go on from."""
    config.optim = OptimConfig(max_steps=None, max_time=600, precision="fp32")
    config.trainer = TrainerConfig(device="cpu", every_n_seconds=1, progress=False)
    save_config(config, tmp_path / "train.yaml")
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "inverter", "train", str(tmp_path / "train.yaml")]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 240
        while not list(Path(config.output).glob("grids/*.png")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert "Traceback" not in errors
    stopped = load(Path(config.output))["global_step"]
    assert stopped > 0
    config.optim = OptimConfig(max_steps=stopped + 2, max_time=None, precision="fp32")
    config.trainer = TrainerConfig(device="cpu", every_n_seconds=0, progress=False)
    train.run(config)
    assert load(Path(config.output))["global_step"] == stopped + 2


def test_pairs_of_another_layer_are_refused(config):
    config.target = type(config.target)(name="tiny", layer="features.3", input_size=16)
    with pytest.raises(
        ValueError, match=r"target.layer is 'features.3', but the pairs in .* were made with 'features.2'"
    ):
        train.run(config)
    assert not Path(config.output).exists()


def test_the_learning_rate_warms_up_and_falls_to_zero():
    module = SimpleNamespace(trainer=SimpleNamespace(callbacks=[]))
    parameter = torch.nn.Parameter(torch.zeros(()))
    optim = OptimConfig(lr=2.0, warmup_steps=4, max_steps=100, max_time=None)
    built = build_optimizer(module, [parameter], optim)
    factor = built["lr_scheduler"]["scheduler"].lr_lambdas[0]
    assert built["lr_scheduler"]["interval"] == "step"
    assert factor(0) == pytest.approx(0.25)
    assert factor(50) == pytest.approx(0.5)
    assert factor(100) == factor(130) == pytest.approx(0.0)
    assert built["optimizer"].param_groups[0]["lr"] == pytest.approx(0.5)


@pytest.mark.parametrize(("elapsed", "step", "share"), [(0, 0, 0.0), (30, 0, 0.5), (15, 80, 0.8), (60, 0, 1.0)])
def test_steps_or_time_whichever_is_further_on(monkeypatch, elapsed, step, share):
    timer = Timer(duration={"seconds": 60})
    monkeypatch.setattr(timer, "time_elapsed", lambda stage: elapsed)
    strategy = SimpleNamespace(broadcast=lambda elapsed: elapsed)
    module = SimpleNamespace(trainer=SimpleNamespace(callbacks=[timer], strategy=strategy))
    optim = OptimConfig(warmup_steps=1, max_steps=100, max_time=60)
    factor = build_optimizer(module, [torch.nn.Parameter(torch.zeros(()))], optim)["lr_scheduler"]["scheduler"]
    expected = 0.5 * (1 + torch.tensor(share * torch.pi).cos().item())
    assert factor.lr_lambdas[0](step) == pytest.approx(expected, abs=1e-6)


def test_the_average_lives_where_the_training_does():
    average, module = ema(0.9), L.LightningModule()
    module.layer = torch.nn.Linear(2, 2)
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("meta")))
    average.setup(trainer, module, "fit")
    assert {parameter.device.type for parameter in average._average_model.parameters()} == {"meta"}


@pytest.mark.parametrize(("count", "kept"), [(1, 2 / 11), (30, 31 / 40), (100_000, 0.9)])
def test_the_average_forgets_early_steps_fast(count, kept):
    average, found = ema(0.9)._kwargs["multi_avg_fn"], [torch.tensor([1.0]), torch.tensor([2.0])]
    average(found, [torch.tensor([0.0]), torch.tensor([4.0])], torch.tensor(count))
    torch.testing.assert_close(torch.cat(found), torch.tensor([kept, 2 * kept + 4 * (1 - kept)]))


@pytest.mark.parametrize(
    ("optim", "trainer", "message"),
    [
        ({"precision": "fp16"}, {}, "optim.precision is 'fp16'; allowed: auto, bf16, fp32"),
        ({"max_time": None}, {}, "optim.max_steps and optim.max_time are both null"),
        ({}, {"device": "tpu"}, "device is 'tpu'; allowed: auto, cpu, cuda"),
        ({}, {"devices": 0}, "trainer: .*devices"),
        ({}, {"strategy": "carrier-pigeon"}, "carrier-pigeon"),
        ({"max_steps": -5}, {}, "trainer: .*max_steps"),
        ({}, {"loggers": ["mlflow"]}, "trainer.loggers holds 'mlflow'; allowed: csv, tensorboard, wandb"),
    ],
)
def test_settings_that_are_not_allowed(tmp_path, optim, trainer, message):
    with pytest.raises(ValueError, match=message):
        build_trainer(OptimConfig(**optim), TrainerConfig(**trainer), tmp_path, monitor="dev/psnr")


def test_without_a_terminal_there_is_no_bar(tmp_path, monkeypatch):
    for terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal, raising=False)
        config = TrainerConfig(device="cpu")
        trainer = build_trainer(OptimConfig(), config, tmp_path, monitor="dev/psnr")
        assert (trainer.progress_bar_callback is not None) == terminal


def test_resume_path(config):
    run = Path(config.output)
    assert resume_path(config, "train") is None
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "last.ckpt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"holds a run of another stage than train; train in a new output"):
        resume_path(config, "train")
    save_config(config, run / "train.yaml")
    assert resume_path(config, "train") == str(run / "checkpoints" / "last.ckpt")
    config.optim.max_steps, config.optim.patience, config.trainer.device = 99, 3, "auto"
    assert resume_path(config, "train") == str(run / "checkpoints" / "last.ckpt")
    config.model.width, config.optim.lr = 24, 3e-4
    with pytest.raises(ValueError, match=r"with model.width=\d+, now 24; optim.lr=[\d.e-]+, now 0.0003; train in a"):
        resume_path(config, "train")
    config.resume = False
    assert resume_path(config, "train") is None


def test_a_run_is_not_spoilt_by_another_config(config):
    run = train.run(config)
    before = {name: (run / name).read_bytes() for name in ("train.yaml", "checkpoints/best.ckpt")}
    config.model = replace(config.model, width=24)
    with pytest.raises(ValueError, match=r"was made with model.width=\d+, now 24"):
        train.run(config)
    assert before == {name: (run / name).read_bytes() for name in before}


def test_a_run_does_not_go_on_with_other_pairs(config, tiny_shards, tmp_path):
    config.data = replace(config.data, path=str(shutil.copytree(tiny_shards, tmp_path / "pairs")))
    run = train.run(config)
    manifest = Manifest.load(run)
    replace(manifest, threat_model="in other words", sent_bytes=7.0).save(tmp_path / "pairs" / "train")
    train.run(config)
    replace(manifest, seed=1).save(tmp_path / "pairs" / "train")
    with pytest.raises(ValueError, match="holds a run on other pairs"):
        train.run(config)
    assert Manifest.load(run).same_pairs(manifest)


def test_a_checkpoint_is_all_that_lightning_needs(whole):
    config, checkpoint = whole
    path = Path(config.output) / "checkpoints" / "last.ckpt"
    module = InverterModule.load_from_checkpoint(path)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, checkpoint["state_dict"][name], rtol=0, atol=0)
    assert module.model == config.model
    with pytest.raises(ValueError, match=r"is of model.kind=inverter; allowed: upconv"):
        UpconvModule.load_from_checkpoint(path)
