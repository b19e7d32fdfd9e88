"""What every family of priors must do; a test of a family is a subclass with a fixture ``prior``."""

import copy
from dataclasses import replace

import pytest
import torch

from inverter.blackbox.conditioner import Conditioner
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.models.inverter import InverterConfig
from inverter.blackbox.modules.inverter import InverterModule
from inverter.blackbox.spec import InverterSpec
from inverter.config import OptimConfig
from inverter.priors.few_step import add_lora, fuse_state, lora_state
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior
from inverter.priors.sampling import denoising_loss
from inverter.targets import load_targets
from inverter.whitebox.attack import Attack
from inverter.whitebox.config import MethodsConfig
from inverter.whitebox.methods.direct import DirectConfig
from inverter.whitebox.methods.guided import GuidedConfig
from inverter.whitebox.methods.hybrid import HybridConfig
from inverter.whitebox.methods.latent import LatentConfig

CONFIG = MethodsConfig(
    latent=LatentConfig(num_steps=3, num_inference_steps=2),
    guided=GuidedConfig(num_inference_steps=3, num_recurrences=2),
    hybrid=HybridConfig(num_steps=4, prior_every_n_steps=1, polish="false", pixels=DirectConfig(num_steps=2)),
)
FEATURES = (6, 3, 3)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class FamilyContract:
    """Encode, condition, predict with gradient, noise, sample, control, search and train."""

    @pytest.fixture(scope="class")
    def prior(self, tmp_path_factory) -> DiffusionPrior:
        raise NotImplementedError

    @pytest.fixture
    def conditioner(self, prior) -> Conditioner:
        conditioner = Conditioner(FEATURES, prior.latent_shape, prior.control_shape, width=16, coarse_width=16, depth=1)
        for layer in (conditioner.to_hint, conditioner.from_fine, conditioner.from_coarse, conditioner.to_tokens[-1]):
            torch.nn.init.normal_(layer.weight, std=0.3)
        return conditioner.eval()

    def test_latents_are_of_the_pictures(self, prior):
        images = torch.rand(2, 3, prior.resolution, prior.resolution)
        latents = prior.encode(images)
        assert latents.shape == (2, *prior.latent_shape)
        assert prior.decode(latents).shape == images.shape
        images.requires_grad_()
        prior.decode(prior.encode(images)).sum().backward()
        assert images.grad.abs().sum() > 0

    def test_texts_differ_and_a_batch_is_that_of_its_texts(self, prior):
        both = prior.condition(["a dog", "two boats at night"])
        assert both.tokens.shape[1:] == prior.conditioning_shape
        assert not torch.allclose(both.tokens[0], both.tokens[1])
        torch.testing.assert_close(
            both[1:].tokens, prior.condition(["two boats at night"]).tokens, rtol=1e-4, atol=1e-5
        )

    def test_noise_at_the_ends_of_the_schedule(self, prior):
        x0, eps = torch.randn(2, 2, *prior.latent_shape).unbind()
        timesteps = prior.schedule(4)
        assert len(timesteps) == 5 and timesteps.tolist() == sorted(timesteps.tolist(), reverse=True)
        signal = [float(prior.process.coefficients(t, x0)[0]) for t in timesteps]
        assert signal == sorted(signal) and signal[-1] > 0.99
        torch.testing.assert_close(prior.add_noise(x0, eps, timesteps[-1]), x0, rtol=0.1, atol=0.1)

    def test_the_estimate_and_the_noise_recompose_the_noisy_latents(self, prior):
        noisy, text = torch.randn(2, *prior.latent_shape), prior.condition(["a dog", ""])
        t = prior.schedule(4)[1].expand(2)
        x0, eps = prior.predict(noisy, t, text)
        torch.testing.assert_close(prior.add_noise(x0, eps, t), noisy, rtol=1e-3, atol=1e-3)

    def test_a_denoiser_that_is_right_has_no_loss(self, prior):
        latents, process = torch.randn(3, *prior.latent_shape), prior.process
        seen = []

        def denoiser(noisy, t):
            signal, spread = process.coefficients(t, noisy)
            seen.append(t)
            return process.goal(latents, (noisy - signal * latents) / spread, t)

        assert denoising_loss(process, denoiser, latents, generator=seeded(), snr_gamma=5.0) < 1e-5
        wrong = denoising_loss(process, lambda noisy, t: denoiser(noisy, t) + 1, latents, generator=seeded())
        assert float(wrong) == pytest.approx(1, rel=1e-3)

    def test_gradients_reach_latents_text_and_control(self, prior, conditioner):
        noisy = torch.randn(1, *prior.latent_shape, requires_grad=True)
        features = torch.randn(1, *FEATURES, requires_grad=True)
        text = prior.condition(["a dog"])
        tokens = text.tokens.clone().requires_grad_()
        control = conditioner(features).control
        x0, _ = prior.predict(noisy, prior.schedule(2)[1], text.with_tokens(tokens), control)
        x0.square().sum().backward()
        assert all(value.grad.abs().sum() > 0 for value in (noisy, features, tokens))

    def test_control_of_zeros_changes_nothing_and_other_control_does(self, prior, conditioner):
        noisy, text, t = torch.randn(2, *prior.latent_shape), prior.condition(["a dog", ""]), prior.schedule(2)[1]
        fresh = Conditioner(FEATURES, prior.latent_shape, prior.control_shape, width=16, coarse_width=16, depth=1)
        features = torch.randn(2, *FEATURES)
        with torch.no_grad():
            plain = prior.predict(noisy, t, text)[0]
            zero = fresh(features).control
            torch.testing.assert_close(prior.predict(noisy, t, text, zero)[0], plain, rtol=1e-3, atol=1e-3)
            control = conditioner(features).control
            for part, values in (
                ("hint", control.hint),
                ("residuals", control.residuals),
                ("tokens", 100 * control.tokens),
            ):
                found = prior.predict(noisy, t, text, replace(zero, **{part: values}))[0]
                assert not torch.allclose(found, plain, atol=1e-3), part
            alone = prior.predict(noisy[1:], t, text[1:], control[1:])[0]
            torch.testing.assert_close(prior.predict(noisy, t, text, control)[0][1:], alone, rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
    def test_samples_obey_seed_control_and_guidance(self, prior, conditioner, guidance_scale):
        encoding = conditioner(torch.randn(2, *FEATURES))
        options = {"control": encoding.control, "null_control": conditioner.null_control(2), "num_inference_steps": 3}

        @torch.no_grad()
        def draw(**more):
            return prior.sample(batch_size=2, generator=seeded(), guidance_scale=guidance_scale, **{**options, **more})

        first = draw()
        assert first.isfinite().all() and torch.equal(first, draw())
        assert not torch.allclose(first, draw(control=None, null_control=None), atol=1e-3)
        outside = draw(guidance_interval=(0.0, 0.0))
        assert torch.allclose(first, outside) == (guidance_scale == 1)
        start = prior.sample(latents=encoding.latents.detach(), strength=0.4, num_inference_steps=5, generator=seeded())
        assert start.shape == first.shape

    @pytest.mark.parametrize("method", ["latent", "guided", "hybrid"])
    def test_white_box_search_runs_under_control(self, prior, method):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Conv2d(3, FEATURES[0], 5, stride=5), torch.nn.Softplus())
        target = load_targets(network, ["1"], input_size=FEATURES[1] * 5)
        spec = self.spec(prior)
        inverter = Inverter(spec, prior).eval()
        torch.nn.init.normal_(inverter.conditioner.to_hint.weight, std=0.1)
        features = target(torch.rand(2, 3, prior.resolution, prior.resolution))["1"].detach()
        config = replace(CONFIG, guided=replace(CONFIG.guided, start="inverter", strength=1.0))
        found = Attack(method, target, prior, config, inverter=inverter).invert(features)
        assert found.images.isfinite().all()
        assert (found.feature_loss <= found.first_loss).all()

    def test_a_training_step_teaches_the_conditioner(self, prior):
        model = InverterConfig(width=16, coarse_width=16, depth=1, head_width=8, tune="none")
        module = InverterModule([self.spec(prior)], model, OptimConfig(), prior)
        module.on_fit_start()  # as the trainer does, which this test goes without
        size = prior.resolution
        batch = {"image": torch.rand(2, 3, size, size), "features": torch.randn(2, *FEATURES), "text": ["a dog", ""]}
        sum(module.losses(batch, decode=True, denoise=True).values()).backward()
        assert module.inverter.conditioner.to_hint.weight.grad.abs().sum() > 0
        assert all(parameter.grad is None for parameter in prior.parameters())

    def test_a_lora_is_read_back_as_it_was_trained(self, prior):
        trained, read = copy.deepcopy(prior), copy.deepcopy(prior)
        add_lora(trained.denoiser, 2, float("inf"))
        with torch.no_grad():
            for name, parameter in trained.denoiser.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.05)
        fuse_state(read.denoiser, lora_state(trained.denoiser))
        inputs = torch.randn(1, *prior.latent_shape), prior.schedule(2)[0], prior.condition(["a dog"])
        with torch.no_grad():
            outputs = [each.run(*inputs) for each in (prior, trained, read)]
        torch.testing.assert_close(outputs[2], outputs[1], rtol=0, atol=1e-2)  # stored in half precision
        assert not torch.allclose(outputs[0], outputs[1], atol=1e-2)

    def test_what_is_saved_loads_as_it_was(self, prior, tmp_path):
        prior.save(tmp_path / "again")
        again, text = load_prior(tmp_path / "again"), prior.condition(["a dog"])
        noisy, t = torch.randn(1, *prior.latent_shape), prior.schedule(2)[0]
        torch.testing.assert_close(
            again.predict(noisy, t, again.condition(["a dog"]))[0], prior.predict(noisy, t, text)[0]
        )

    def spec(self, prior) -> InverterSpec:
        return InverterSpec(
            feature_shape=FEATURES,
            latent_shape=prior.latent_shape,
            conditioning_shape=prior.conditioning_shape,
            resolution=prior.resolution,
            width=16,
            coarse_width=16,
            depth=1,
            dropout=0.0,
            head_width=8,
            strength=1.0,
            num_inference_steps=2,
            guidance_scale=2.0,
        )
