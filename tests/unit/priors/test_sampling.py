import copy
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from inverter.priors.conditioning import Conditioning
from inverter.priors.flow import FlowMatching
from inverter.priors.prior import DiffusionPrior
from inverter.priors.process import Diffusion
from inverter.priors.sampling import denoising_loss, loss_weights, run_steps
from inverter.priors.steps import count_steps, least_strength
from inverter.priors.training.denoiser import build_scheduler


class Fixed:
    """Denoiser whose prediction is given."""

    def __init__(self, output: Tensor) -> None:
        self.output = output
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __call__(self, latents: Tensor, t: Tensor) -> Tensor:
        self.calls.append((latents, t))
        return self.output


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain_loop(
    prior: DiffusionPrior, current: Tensor, conditioning: Tensor, timesteps: Tensor, num_steps: int, guidance: float
) -> Tensor:
    """What ``sample`` computes, step by step and without checkpointing."""
    scheduler = copy.deepcopy(prior.scheduler)
    scheduler.set_timesteps(num_steps)
    free = prior.condition([""]).expand(len(current)).tokens
    for t in timesteps:
        output = prior.denoiser(current, t, encoder_hidden_states=conditioning).sample
        if guidance != 1:
            without = prior.denoiser(current, t, encoder_hidden_states=free).sample
            output = without + guidance * (output - without)
        current = scheduler.step(output, t, current).prev_sample
    return current


def saved_bytes(prior: DiffusionPrior, num_steps: int) -> int:
    """Bytes kept for the backward pass by a sample that is differentiated by its conditioning."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    conditioning = prior.condition(["a dog"]).tokens.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        latents = prior.sample(Conditioning(conditioning), num_inference_steps=num_steps, generator=seeded())
    latents.sum().backward()
    assert conditioning.grad is not None
    return sum(storages.values())


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("count", [1, 3])
def test_denoising_inverts_the_noising(prediction_type, count):
    scheduler = DDIMScheduler.from_config(build_scheduler("epsilon").config, prediction_type=prediction_type)
    x0, eps = torch.randn(2, count, 4, 6, 5).unbind()
    t = torch.tensor([10, 500, 900])[:count]
    process, noisy = Diffusion(scheduler), scheduler.add_noise(x0, eps, t)
    torch.testing.assert_close(process.add_noise(x0, eps, t), noisy)
    output = {"epsilon": eps, "sample": x0, "v_prediction": scheduler.get_velocity(x0, eps, t)}[prediction_type]
    torch.testing.assert_close(process.goal(x0, eps, t), output)
    before = noisy.clone()
    found = process.read(output, noisy, t)
    torch.testing.assert_close(found[0], x0, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found[1], eps, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(noisy, before, rtol=0, atol=0)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_loss_of_the_right_answer_is_zero(prediction_type):
    scheduler = DDIMScheduler.from_config(build_scheduler("epsilon").config, prediction_type=prediction_type)
    latents = torch.randn(3, 4, 5, 7)
    generator = seeded(3)
    t = (torch.rand(3, generator=generator) * 1000).long()
    noise = torch.randn(latents.shape, generator=generator)
    velocity = scheduler.get_velocity(latents, noise, t)
    goal = {"epsilon": noise, "sample": latents, "v_prediction": velocity}[prediction_type]
    network, process = Fixed(goal), Diffusion(scheduler)
    assert denoising_loss(process, network, latents, generator=seeded(3)) < 1e-9
    torch.testing.assert_close(network.calls[0][0], scheduler.add_noise(latents, noise, t))
    network.output = goal + 2
    torch.testing.assert_close(denoising_loss(process, network, latents, generator=seeded(3)), torch.tensor(4.0))


def test_timesteps_towards_noise_are_drawn_where_the_content_is_decided():
    network, process = Fixed(torch.zeros(4000, 1, 1, 1)), Diffusion(build_scheduler("v_prediction"))
    for towards_noise, mean in ((False, 500), (True, 1000 * 2 / 3)):
        denoising_loss(process, network, torch.zeros(4000, 1, 1, 1), generator=seeded(), towards_noise=towards_noise)
        assert network.calls[-1][1].double().mean().item() == pytest.approx(mean, abs=15)


def test_unknown_prediction_type():
    with pytest.raises(ValueError, match="prediction_type is 'x0'; allowed: v_prediction, epsilon"):
        build_scheduler("x0")


def test_the_schedule_of_the_embedded_prior_ends_in_pure_noise():
    assert build_scheduler("v_prediction").alphas_cumprod[-1] == 0
    assert build_scheduler("epsilon").alphas_cumprod[-1] > 0  # noise alone could not be divided away


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_gradients_equal_those_of_the_plain_loop(tiny_prior, guidance_scale):
    base = tiny_prior.condition(["a dog", "two boats"]).tokens
    start = torch.randn(2, *tiny_prior.latent_shape)
    weight = torch.randn_like(start)
    scheduler = copy.deepcopy(tiny_prior.scheduler)
    scheduler.set_timesteps(4)
    timesteps = scheduler.timesteps[-3:]  # strength 0.75 of 4 steps
    gradients = []
    for checkpointed in (True, False):
        conditioning, latents = base.clone().requires_grad_(), start.clone().requires_grad_()
        if checkpointed:
            drawn = tiny_prior.sample(
                Conditioning(conditioning),
                latents=latents,
                strength=0.75,
                num_inference_steps=4,
                guidance_scale=guidance_scale,
                generator=seeded(),
            )
        else:
            noise = torch.randn(start.shape, generator=seeded())
            noisy = scheduler.add_noise(latents, noise, timesteps[:1].expand(2))
            drawn = plain_loop(tiny_prior, noisy, conditioning, timesteps, 4, guidance_scale)
        (drawn * weight).sum().backward()
        gradients.append((drawn.detach(), conditioning.grad, latents.grad))
    for checkpointed_value, plain_value in zip(*gradients, strict=True):
        assert plain_value.isfinite().all()
        assert plain_value.abs().max() > 0
        torch.testing.assert_close(checkpointed_value, plain_value, rtol=1e-4, atol=1e-6)


def test_a_few_step_prior_noises_its_estimate_anew(tiny_prior, monkeypatch):
    monkeypatch.setattr(tiny_prior, "few_step", True)
    conditioning = tiny_prior.condition(["a dog", "two boats"]).tokens.requires_grad_()
    text = Conditioning(conditioning)
    drawn = tiny_prior.sample(text, num_inference_steps=3, generator=seeded())
    generator = seeded()
    x0 = torch.zeros(2, *tiny_prior.latent_shape)
    for step in (999, 666, 332):
        t, noise = torch.tensor([step, step]), torch.randn(x0.shape, generator=generator)
        x0, _ = tiny_prior.predict(tiny_prior.add_noise(x0, noise, t), t, text)
    torch.testing.assert_close(drawn, x0, rtol=1e-3, atol=1e-3)
    monkeypatch.setattr(tiny_prior, "few_step", False)
    ddim = tiny_prior.sample(text, num_inference_steps=3, generator=seeded())
    assert not torch.allclose(drawn, ddim, atol=0.1)
    gradients = [torch.autograd.grad(latents.square().sum(), conditioning)[0] for latents in (drawn, x0)]
    torch.testing.assert_close(*gradients, rtol=1e-2, atol=1e-3)


def test_memory_for_the_backward_pass_does_not_grow_with_the_steps(tiny_prior):
    few, many = saved_bytes(tiny_prior, 2), saved_bytes(tiny_prior, 8)
    latent = 4 * torch.Size(tiny_prior.latent_shape).numel()
    assert many <= 1.3 * few + 6 * 3 * latent


def test_parameters_of_the_prior_get_no_gradient(tiny_prior):
    conditioning = tiny_prior.condition(["a dog"]).tokens.requires_grad_()
    tiny_prior.decode(tiny_prior.sample(Conditioning(conditioning), num_inference_steps=2)).sum().backward()
    assert all(parameter.grad is None for parameter in tiny_prior.parameters())


def test_strength_zero_returns_the_latents(tiny_prior):
    latents = torch.randn(2, *tiny_prior.latent_shape)
    assert torch.equal(tiny_prior.sample(latents=latents, strength=0), latents)


def test_strength_is_the_share_of_steps_that_are_run(tiny_prior, monkeypatch):
    calls: list[int] = []
    forward = tiny_prior.denoiser.forward

    def counted(latents, t, **others):
        calls.append(int(t))
        return forward(latents, t, **others)

    monkeypatch.setattr(tiny_prior.denoiser, "forward", counted)
    latents = torch.randn(1, *tiny_prior.latent_shape)
    for strength, steps in ((0.25, 2), (0.5, 4), (1.0, 8)):
        calls.clear()
        tiny_prior.sample(latents=latents, strength=strength, num_inference_steps=8, generator=seeded())
        assert len(calls) == steps
        assert calls == sorted(calls, reverse=True)
        assert calls[-1] == 124  # trailing timesteps: 999, 874, ... 124


def test_strength_one_forgets_the_latents(tiny_prior):
    draws = [
        tiny_prior.sample(latents=torch.randn(1, *tiny_prior.latent_shape), num_inference_steps=2, generator=seeded())
        for _ in range(2)
    ]
    torch.testing.assert_close(*draws)
    from_noise = tiny_prior.sample(batch_size=1, num_inference_steps=2, generator=seeded())
    torch.testing.assert_close(draws[0], from_noise)


def test_the_seed_decides(tiny_prior):
    def draw(seed: int) -> Tensor:
        return tiny_prior.sample(batch_size=2, num_inference_steps=2, generator=seeded(seed))

    assert torch.equal(draw(0), draw(0))
    assert not torch.allclose(draw(0), draw(1))
    assert not torch.allclose(draw(0)[0], draw(0)[1])


def test_no_conditioning_is_the_empty_prompt(tiny_prior):
    empty = tiny_prior.sample(tiny_prior.condition(["", ""]), num_inference_steps=2, generator=seeded())
    nothing = tiny_prior.sample(batch_size=2, num_inference_steps=2, generator=seeded())
    torch.testing.assert_close(nothing, empty)
    other = tiny_prior.sample(tiny_prior.condition(["a dog"] * 2), num_inference_steps=2, generator=seeded())
    assert not torch.allclose(other, empty, atol=1e-3)


@pytest.mark.parametrize("guidance_scale", [1.0, 2.5])
def test_a_batch_of_two_equals_two_of_one(tiny_prior, guidance_scale):
    noise, latents = torch.randn(2, 2, *tiny_prior.latent_shape).unbind()
    conditioning = tiny_prior.condition(["a dog", "two boats"])

    def draw(part: slice) -> Tensor:
        timesteps = tiny_prior.schedule(4, 0.5)
        return run_steps(
            tiny_prior,
            tiny_prior.add_noise(latents[part], noise[part], timesteps[0]),
            timesteps,
            conditioning[part],
            unconditional=tiny_prior.condition([""]).expand(len(noise[part])) if guidance_scale != 1 else None,
            guidance_scale=guidance_scale,
        )

    alone = torch.cat([draw(slice(0, 1)), draw(slice(1, 2))])
    torch.testing.assert_close(draw(slice(0, 2)), alone, rtol=1e-4, atol=1e-5)


def test_inputs_and_scheduler_stay_as_they_were(tiny_prior):
    latents, conditioning = torch.randn(1, *tiny_prior.latent_shape), tiny_prior.condition(["a dog"])
    before = latents.clone(), conditioning.tokens.clone()
    steps = tiny_prior.scheduler.num_inference_steps
    tiny_prior.sample(conditioning, latents=latents, strength=0.5, num_inference_steps=2)
    assert torch.equal(latents, before[0])
    assert torch.equal(conditioning.tokens, before[1])
    assert tiny_prior.scheduler.num_inference_steps == steps


def test_a_strength_that_leaves_no_step_is_no_sample(tiny_prior):
    latents = torch.randn(1, *tiny_prior.latent_shape)
    wrong = r"strength is 0.25, which leaves none of num_inference_steps=3 to run; .*, or 0.334 to 1$"
    with pytest.raises(ValueError, match=wrong):
        tiny_prior.sample(latents=latents, strength=0.25, num_inference_steps=3)
    tiny_prior.sample(latents=latents, strength=0.334, num_inference_steps=3)


def test_the_least_strength_leaves_a_step():
    for steps in range(1, 1001):
        assert count_steps(steps, least_strength(steps)) >= 1
        assert [count_steps(steps, run / steps) for run in (0, 1, steps)] == [0, 1, steps]  # 1 / 49 of 49 is below 1


@pytest.mark.parametrize("steps", [8, 50])
def test_strengths_in_use_leave_the_steps_that_diffusers_runs(steps):
    for strength in (0.125, 0.15, 0.25, 0.3, 0.375, 0.5, 0.75, 0.8, 1.0):
        assert count_steps(steps, strength) == min(int(steps * strength), steps)


@pytest.mark.parametrize("strength", [-0.1, 1.1])
def test_strength_outside_its_range(tiny_prior, strength):
    with pytest.raises(ValueError, match=rf"strength is {strength}; allowed: 0 to 1"):
        tiny_prior.sample(latents=torch.zeros(1, *tiny_prior.latent_shape), strength=strength)


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_number_of_steps_outside_its_range(tiny_prior, steps):
    with pytest.raises(ValueError, match=rf"num_inference_steps is {steps}; allowed: 1 to 1000"):
        tiny_prior.sample(batch_size=1, num_inference_steps=steps)


def test_batch_sizes_must_agree(tiny_prior):
    conditioning = tiny_prior.condition(["a", "b"])
    for arguments in (
        {},
        {"conditioning": conditioning, "batch_size": 3},
        {"conditioning": conditioning, "latents": torch.zeros(1, *tiny_prior.latent_shape)},
    ):
        with pytest.raises(ValueError, match="give one size"):
            tiny_prior.sample(**arguments)


def test_plain_ddim_reaches_a_known_answer():
    """A denoiser that always knows x0 must end there, whatever the number of steps."""
    process = Diffusion(DDIMScheduler(clip_sample=False, prediction_type="sample", timestep_spacing="trailing"))
    x0 = torch.randn(2, 4, 3, 5)
    for steps in (1, 3):
        timesteps, current = process.schedule(steps), torch.randn_like(x0)
        for t, following in pairwise(timesteps):
            current = process.add_noise(*process.read(x0, current, t), following)
        torch.testing.assert_close(current, x0, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prediction_type", ["v_prediction", "epsilon"])
def test_min_snr_weights_bound_the_error_of_x0(prediction_type):
    scheduler = build_scheduler(prediction_type)
    scheduler.alphas_cumprod = torch.tensor([0.9, 0.5, 0.0])  # SNR 9, 1, 0
    process = Diffusion(scheduler)
    weights = loss_weights(process, torch.arange(3), 5.0)
    expected = [5 / 10, 1, 1] if prediction_type == "v_prediction" else [5 / 9, 1, 1]
    torch.testing.assert_close(weights, torch.tensor(expected))
    assert loss_weights(process, torch.arange(3), 1e6).tolist() == [1, 1, 1]


def test_shares_of_a_shifted_flow_are_those_of_its_steps():
    flow = FlowMatching(FlowMatchEulerDiscreteScheduler(shift=3.0))
    share = torch.tensor([0.25, 0.5, 0.9])
    assert [flow.share_of(t) for t in flow.timesteps_at(share)] == pytest.approx(share.tolist(), abs=1e-6)
    assert flow.share_of(flow.schedule(10)[0]) == pytest.approx(1) and flow.share_of(flow.schedule(10)[-1]) == 0
    assert flow.share_of(flow.schedule(10, 0.4)[0]) == pytest.approx(0.4, abs=0.1)
