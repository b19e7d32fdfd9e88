"""Half precision, offload, slices and tiles give what the prior gives without them."""

from dataclasses import replace

import pytest
import torch
from priors_toys import write_flow, write_xl

from inverter.blackbox.modules.inverter import tune
from inverter.config import MemoryConfig
from inverter.priors.load import load_prior
from inverter.priors.memory import OneOnDevice, check_memory

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory, stable_diffusion, tiny_prior_folder):
    root = tmp_path_factory.mktemp("memory")
    sizes = {"embedded": tiny_prior_folder, "sd": stable_diffusion("epsilon")}
    return {**sizes, "xl": write_xl(root / "xl"), "sd3": write_flow(root / "sd3")}


@pytest.fixture(params=["embedded", "sd", "xl", "sd3"])
def folder(request, folders):
    return folders[request.param]


@torch.no_grad()
def use(prior):
    """Latents of two pictures, two samples and their pictures."""
    latents = prior.encode(torch.rand(2, 3, prior.resolution, prior.resolution, generator=seeded()))
    text = prior.condition(["a dog", "two boats"])
    drawn = prior.sample(text, num_inference_steps=2, guidance_scale=2.0, generator=seeded())
    return latents, text.tokens, drawn, prior.decode(drawn)


def seeded():
    return torch.Generator().manual_seed(0)


def test_slices_change_nothing(folder):
    for found, expected in zip(
        use(load_prior(folder, MemoryConfig(vae_slicing=True))), use(load_prior(folder)), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_is_near_and_its_results_are_float32(folder, precision, autocast):
    prior, whole = load_prior(folder, MemoryConfig(precision=precision)), load_prior(folder)
    assert prior.weights_sha256 == whole.weights_sha256
    assert {p.dtype for p in prior.denoiser.parameters()} == {
        getattr(torch, {"bf16": "bfloat16", "fp16": "float16"}[precision])
    }
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        halves = use(prior)
    for found, expected in zip(halves, use(whole), strict=True):
        assert autocast or found.dtype == torch.float32
        error = (found.float() - expected).square().mean().sqrt() / expected.square().mean().sqrt()
        assert error < (0.1 if autocast or precision == "bf16" else 0.02)


def test_an_autoencoder_that_overflows_in_float16_stays_in_float32(folders):
    dtypes = {}
    for precision in ("fp16", "bf16"):
        prior = load_prior(folders["sd"], MemoryConfig(precision=precision))
        assert prior.vae.config.force_upcast
        dtypes[precision] = {parameter.dtype for parameter in prior.vae.parameters()}
    assert dtypes == {"fp16": {torch.float32}, "bf16": {torch.bfloat16}}


def test_gradients_go_through_half_precision(folders):
    prior = load_prior(folders["xl"], MemoryConfig(precision="bf16"))
    whole, gradients = load_prior(folders["xl"]), []
    for each in (prior, whole):
        noisy = torch.ones(1, *each.latent_shape).requires_grad_()
        x0, _ = each.predict(noisy, torch.tensor(500), each.condition(["a dog"]))
        each.decode(x0, clamp=False).square().sum().backward()
        gradients.append(noisy.grad)
    assert gradients[0].dtype == torch.float32
    assert torch.cosine_similarity(gradients[0].flatten(), gradients[1].flatten(), dim=0) > 0.95


def test_what_is_tuned_is_in_float32(folders):
    prior = load_prior(folders["sd"], MemoryConfig(precision="bf16"))
    with pytest.raises(
        ValueError, match=r"model.tune is 'full', but the denoiser's weights are torch.bfloat16; allowed"
    ):
        tune(prior, "full", 2)
    tune(prior, "lora", 2)
    trained = [parameter for parameter in prior.denoiser.parameters() if parameter.requires_grad]
    assert trained and {parameter.dtype for parameter in trained} == {torch.float32}
    noisy = torch.randn(1, *prior.latent_shape)
    prior.run(noisy, torch.tensor(5), prior.condition([""])).sum().backward()
    assert any(parameter.grad.abs().sum() > 0 for parameter in trained)


def test_tiles(folders):
    whole, tiled = load_prior(folders["sd"]), load_prior(folders["sd"], MemoryConfig(vae_tiling=True))
    sides = []
    tiled.vae.decoder.register_forward_pre_hook(lambda module, args: sides.append(args[0].shape[-1]))
    found, expected = use(tiled), use(whole)
    assert sides and max(sides) == whole.latent_shape[-1] // 2
    assert found[3].shape == expected[3].shape


@pytest.mark.parametrize("offload", ["model", "sequential"])
@pytest.mark.parametrize("kind", ["embedded", "xl", "sd3"])
def test_offloaded_weights_come_where_they_compute(folders, offload, kind):
    prior = load_prior(folders[kind], MemoryConfig(offload=offload))
    expected = use(prior)
    prior.compute_on(CPU)  # stands in for a GPU
    assert prior.device == CPU
    parts = [prior.vae, prior.denoiser, *getattr(prior, "text_encoders", [])]
    assert all(hasattr(part, "_hf_hook") for part in parts)
    waiting = {parameter.device.type for parameter in prior.denoiser.parameters()}
    assert waiting == {"meta" if offload == "sequential" else "cpu"}
    for found, value in zip(use(prior), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=0, atol=0)
    prior.compute_on(None)
    assert {parameter.device for parameter in prior.parameters()} == {CPU}
    assert not any(hasattr(module, "_hf_hook") for module in prior.modules())
    torch.testing.assert_close(use(prior)[3], expected[3], rtol=0, atol=0)


def test_one_part_is_on_the_device_at_a_time():
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    moved = []
    second.to = moved.append
    OneOnDevice(CPU, [second]).pre_forward(first)
    assert moved == ["cpu"]


def test_moving_an_offloaded_prior_says_where_it_computes(folders, monkeypatch):
    prior, asked = load_prior(folders["sd"], MemoryConfig(offload="model")), []
    monkeypatch.setattr(prior, "compute_on", asked.append)
    prior.to("cpu")
    assert asked == []
    prior.to("meta")
    assert asked == [torch.device("meta")]
    assert {parameter.device for parameter in prior.parameters()} == {CPU}


@pytest.mark.parametrize(
    ("changes", "device", "trains", "message"),
    [
        ({"precision": "half"}, "cpu", False, "memory.precision is 'half'; allowed: fp32, fp16, bf16"),
        ({"offload": "disk"}, "cpu", False, "memory.offload is 'disk'; allowed: none, model, sequential"),
        ({"offload": "model"}, "cpu", False, "memory.offload is 'model', which needs a GPU; allowed on a CPU: none"),
        ({"offload": "model"}, "cuda", True, "allowed where gradients go through the prior: none"),
        ({"precision": "fp16"}, "cuda", True, "gradients vanish; allowed where they go through the prior: fp32, bf16"),
    ],
)
def test_what_cannot_be_done_is_refused(changes, device, trains, message):
    with pytest.raises(ValueError, match=message):
        check_memory(replace(MemoryConfig(), **changes), device, trains=trains)
    check_memory(MemoryConfig(precision="bf16", vae_slicing=True, vae_tiling=True), device, trains=trains)


def test_what_an_autoencoder_cannot_do_is_refused(folders):
    with pytest.raises(ValueError, match=r"memory.vae_tiling is true, which AutoencoderDC cannot do; allowed: false"):
        load_prior(folders["embedded"], MemoryConfig(vae_tiling=True))
    with pytest.raises(ValueError, match=r"memory.precision is 'int8'; allowed: fp32, fp16, bf16"):
        load_prior(folders["embedded"], MemoryConfig(precision="int8"))
