import copy
import shutil
from dataclasses import replace

import pytest
import torch

from inverter.blackbox.build import build_module, load_run, run_inverter
from inverter.blackbox.load import load_inverter
from inverter.blackbox.modules.inverter import InverterModule, image_loss
from inverter.blackbox.modules.upconv import UpconvModule
from inverter.data.datamodule import pair_loader
from inverter.data.manifest import Manifest
from inverter.publish.inverter import save_inverter
from inverter.stages import train


def quiet(module):
    """A module outside of a trainer: what it logs goes to ``module.logged``."""
    module.logged = {}
    module.log = lambda name, value, **_: module.logged.__setitem__(name, float(value))
    module.log_dict = lambda values, **_: module.logged.update({name: float(value) for name, value in values.items()})
    return module


@pytest.fixture
def make(train_config, tiny_shards, tmp_path):
    def build(kind: str = "inverter", **model):
        config = train_config(tmp_path, kind)
        for key, value in model.items():
            setattr(config.model, key, value)
        torch.manual_seed(0)
        return quiet(build_module(config, Manifest.load(tiny_shards / "train")))

    return build


@pytest.fixture(scope="module")
def batch(tiny_shards):
    return next(iter(pair_loader(tiny_shards / "train", 4)))


@pytest.mark.parametrize(("kind", "lr", "num_steps"), [("inverter", 1e-3, 20), ("upconv", 3e-4, 6)])
def test_a_few_steps_on_a_batch_lower_the_loss(make, batch, kind, lr, num_steps):
    module = make(kind)
    optimizer = torch.optim.Adam(module.network().parameters(), lr=lr)
    losses = []
    for _ in range(num_steps):
        torch.manual_seed(0)
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_a_few_step_prior_has_no_denoising_loss(make, tiny_prior, monkeypatch):
    monkeypatch.setattr("inverter.blackbox.pairs_prior.load_prior", lambda *_, **__: tiny_prior)
    monkeypatch.setattr(tiny_prior, "few_step", True)
    with pytest.raises(ValueError, match=r"draws in few steps, and has no denoising loss; allowed: the base, or"):
        make()
    make(denoising_weight=0.0)


def test_the_loss_is_the_sum_of_what_is_logged(make, batch):
    module = make()
    loss = module.training_step(batch, 0)
    parts = {name: value for name, value in module.logged.items() if name != "train/loss"}
    assert set(parts) == {"train/latents", "train/image", "train/head", "train/denoising"}
    assert sum(parts.values()) == pytest.approx(loss.item(), rel=1e-5)
    assert module.logged["train/loss"] == pytest.approx(loss.item(), rel=1e-6)


def test_without_image_losses_nothing_is_decoded(make, batch):
    module = make(image_weight=0.0, head=False)
    module.inverter.prior.vae.decoder.register_forward_hook(lambda *_: pytest.fail("decoded"))
    module.training_step(batch, 0).backward()
    assert set(module.logged) == {"train/latents", "train/denoising", "train/loss"}


def test_only_the_denoising_loss_trains_the_tokens(make, batch):
    module = make(conditioning="tokens")
    module.training_step(batch, 0).backward()
    tokens = module.inverter.conditioner.to_tokens[-1]
    assert tokens.weight.grad.abs().sum() > 0
    assert module.inverter.conditioner.base.grad.abs().sum() > 0
    without = make(conditioning="tokens", denoising_weight=0.0)
    without.training_step(batch, 0).backward()
    assert without.inverter.conditioner.base.grad is None
    assert "train/denoising" not in without.logged


def test_only_the_denoising_loss_trains_the_control(make, batch):
    module = make()
    module.training_step(batch, 0).backward()
    conditioner = module.inverter.conditioner
    ends = (conditioner.to_hint, conditioner.from_fine, conditioner.from_coarse, conditioner.to_tokens[-1])
    assert all(layer.weight.grad.abs().sum() > 0 for layer in ends)
    without = make(denoising_weight=0.0)
    without.training_step(batch, 0).backward()
    assert without.inverter.conditioner.to_hint.weight.grad is None


def test_tokens_know_no_null_and_every_image_counts(make, batch):
    module = make(conditioning="tokens", null_share=1.0, denoising_weight=0.0)
    torch.nn.init.normal_(module.inverter.head.body[-2].weight, std=0.1)
    latents = module.inverter.encode(batch["features"]).latents
    found = module.losses(batch, decode=True, denoise=False)
    torch.testing.assert_close(found["latents"], (latents - batch["latents"]).square().mean())
    assert found["image"] > 0 and found["head"] > 0


def test_the_dev_loss_does_not_depend_on_the_batches(make, batch):
    module, losses = make().eval(), []
    for parts in ([slice(0, 4)], [slice(3, 4), slice(0, 3)]):
        for part in parts:
            module.validation_step({key: value[part] for key, value in batch.items()}, 0)
        module.on_validation_epoch_end()
        losses.append(module.logged["dev/denoising"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_the_best_is_by_what_is_trained(make):
    assert (make().monitor, make().mode) == ("dev/denoising", "min")
    without = make(denoising_weight=0.0)
    assert (without.monitor, without.mode) == ("dev/psnr", "max")


def test_texts_of_the_pictures_draw_the_conditioning_to_theirs(make, batch):
    module = make(conditioning="tokens", denoising_weight=0.0, text_weight=2.0)
    told = {**batch, "text": ["a dog", "", None, "two boats"]}
    module.training_step(told, 0).backward()
    prior, tokens = module.inverter.prior, module.inverter.encode(batch["features"]).control.tokens
    expected = (tokens[[0, 3]] - prior.condition(["a dog", "two boats"]).tokens).square().mean()
    assert module.logged["train/text"] == pytest.approx(2 * expected.item(), rel=1e-5)
    assert module.inverter.conditioner.to_tokens[-1].weight.grad.abs().sum() > 0
    for without in ({**batch, "text": [None] * 4}, {key: value for key, value in batch.items() if key != "text"}):
        module.logged.clear()
        module.training_step(without, 0)
        assert "train/text" not in module.logged


def test_the_prior_stays_as_it_was(make, batch, tiny_prior):
    module = make()
    module.training_step(batch, 0).backward()
    assert all(parameter.grad is None for parameter in module.inverter.prior.parameters())
    trained = {id(parameter) for parameter in module.parameters()}
    assert trained == {id(parameter) for parameter in module.inverter.parameters()}


@pytest.mark.parametrize("how", ["lora", "full"])
def test_a_tuned_denoiser_is_trained_along(make, batch, how):
    module = make(tune=how, rank=2, denoising_every_n_steps=1, alone_share=0.0)
    module.training_step(batch, 0).backward()
    tuned = {name for name, parameter in module.denoiser.named_parameters() if parameter.grad is not None}
    assert tuned and (how == "full") == all("lora" not in name for name in tuned)
    average = copy.deepcopy(module)
    assert average.denoiser is not module.denoiser


def test_how_the_denoiser_is_tuned_is_checked(make):
    with pytest.raises(ValueError, match=r"tune='some'; allowed: 'none', 'lora' or 'full'"):
        make(tune="some")


def test_the_tokens_start_as_the_empty_prompt(make, batch):
    inverter = make(conditioning="tokens").inverter
    tokens = inverter.encode(batch["features"]).control.tokens
    torch.testing.assert_close(tokens, inverter.prior.condition([""]).expand(4).tokens)


def test_latents_that_are_not_stored_are_encoded(make, batch):
    module = make(denoising_weight=0.0, null_share=0.0)
    stored = module.training_step(batch, 0)
    encoded = module.training_step({key: value for key, value in batch.items() if key != "latents"}, 0)
    assert encoded.item() == pytest.approx(stored.item(), rel=1e-2)  # stored in half precision


def test_without_a_head_there_is_no_head_loss(make, batch):
    module = make(head=False)
    module.training_step(batch, 0)
    assert "train/head" not in module.logged


def test_an_average_shares_the_prior(make):
    module = make()
    assert copy.deepcopy(module).inverter.prior is module.inverter.prior


def test_image_loss_by_hand():
    image = torch.zeros(1, 3, 2, 2)
    assert image_loss(image + 0.2, image).item() == pytest.approx(10 * 0.04 + 0.5 * 0.2)


def test_baseline_clamps_what_it_shows(make, batch):
    module = make("upconv")
    assert isinstance(module, UpconvModule)
    torch.nn.init.constant_(module.decoder.layers[-1].bias, 3.0)
    assert torch.equal(module.reconstruct(batch["features"]), torch.ones(4, 3, 32, 32))


def test_an_unknown_kind(make):
    with pytest.raises(ValueError, match=r"model.kind is 'gan'; allowed: fia_flow, inverter, surrogate, upconv"):
        make("gan")


@pytest.mark.parametrize("key", ["image_every_n_steps", "denoising_every_n_steps"])
def test_costly_losses_need_a_positive_interval(make, key):
    with pytest.raises(ValueError, match=rf"model.{key} is 0; allowed: 1 or more"):
        make(**{key: 0})


def test_costly_losses_are_left_out_of_the_steps_between(make, batch):
    module = make(image_every_n_steps=2, denoising_every_n_steps=3)
    seen = []
    for step in range(4):
        module.__class__ = type("At", (InverterModule,), {"global_step": step})
        module.logged.clear()
        module.training_step(batch, 0)
        seen.append({name.removeprefix("train/") for name in module.logged} - {"loss", "latents"})
    assert seen == [{"image", "head", "denoising"}, set(), {"image", "head"}, {"denoising"}]


def test_pairs_of_another_prior_are_refused(train_config, stable_diffusion, tiny_shards, tmp_path):
    config = train_config(tmp_path)
    config.prior = str(stable_diffusion("epsilon"))
    with pytest.raises(ValueError, match="but the pairs' latents were made with"):
        build_module(config, Manifest.load(tiny_shards / "train"))


@pytest.mark.parametrize("kind", ["inverter", "upconv"])
def test_the_best_state_of_a_run_loads_and_scores_as_recorded(train_config, tiny_shards, tmp_path, kind):
    config = train_config(tmp_path, kind, max_steps=3)
    run = train.run(config)
    module, loaded, manifest = load_run(run)
    assert loaded == config
    assert manifest == Manifest.load(tiny_shards / "train")
    assert not module.training
    checkpoint = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    (score,) = {
        float(state["best_model_score"])
        for state in checkpoint["callbacks"].values()
        if state.get("monitor") == module.monitor
    }
    with torch.no_grad():
        for number, dev in enumerate(pair_loader(tiny_shards / "dev", config.data.batch_size)):
            quiet(module).validation_step(dev, number)
        module.on_validation_epoch_end()
    assert module.logged[module.monitor] == pytest.approx(score, abs=2e-3)  # rounded to half precision since
    if kind == "upconv":
        with pytest.raises(ValueError, match=r"the run has model\.kind=upconv; only"):
            run_inverter(module)
    else:
        assert run_inverter(module) is module.inverter
    del checkpoint["state_dict"][next(iter(checkpoint["state_dict"]))]
    torch.save(checkpoint, run / "checkpoints" / "best.ckpt")
    with pytest.raises((ValueError, RuntimeError), match=r"best.ckpt is of another network: weight .* is absent"):
        load_run(run)


def test_a_run_keeps_what_it_knows_of_its_pairs(train_config, tiny_shards, tmp_path):
    """Pairs may be prepared further, moved or deleted once a run is trained; its inverter stays what it was."""
    config = train_config(tmp_path / "run", max_steps=1)
    config.data = replace(config.data, path=str(shutil.copytree(tiny_shards, tmp_path / "pairs")))
    run = train.run(config)
    features = torch.randn(2, *Manifest.load(run).target.feature_shape)
    before = load_run(run)[0].reconstruct(features)
    manifest = Manifest.load(tmp_path / "pairs" / "train")
    replace(manifest, feature_mean=[mean + 1 for mean in manifest.feature_mean]).save(tmp_path / "pairs" / "train")
    assert torch.equal(load_run(run)[0].reconstruct(features), before)
    shutil.rmtree(tmp_path / "pairs")
    assert torch.equal(load_run(run)[0].reconstruct(features), before)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"is no training run; it needs train.yaml, manifest.json and "):
        load_run(tmp_path)


@pytest.mark.parametrize("how", ["none", "lora"])
def test_what_is_evaluated_is_what_is_published(train_config, tmp_path, how):
    """Weights, the denoiser's LoRA and the statistics of the features, beside a prior that is not in half precision."""
    config = train_config(tmp_path / "run", max_steps=3, lr=1e-2)
    config.model = replace(config.model, tune=how, rank=2)
    module, _, manifest = load_run(train.run(config))
    own = module.inverter
    save_inverter(own, tmp_path / "published", manifest.target, {})
    published = load_inverter(str(tmp_path / "published"))
    assert published.spec == own.spec and own.spec.feature_std == manifest.feature_std
    state = published.state_dict()
    assert all(torch.equal(state[name], value) for name, value in own.state_dict().items())
    features = torch.randn(2, *manifest.target.feature_shape)
    for point in ("mean", "sample"):
        torch.manual_seed(0)
        expected = getattr(own, point)(features)
        torch.manual_seed(0)
        torch.testing.assert_close(getattr(published, point)(features), expected, rtol=0, atol=2e-6)
