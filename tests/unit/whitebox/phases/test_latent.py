"""Gradients, memory and modes of the paper's method."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from inverter.priors.sampling import run_steps
from inverter.whitebox.adam import State
from inverter.whitebox.gradient import differentiate
from inverter.whitebox.methods.latent import LatentConfig
from inverter.whitebox.phases.latent import Latent
from inverter.whitebox.problem import FrameCoupling, Problem


def begun(problem: Problem, **config: object) -> tuple[Latent, State]:
    method = Latent(LatentConfig(**config))  # type: ignore[arg-type]
    return method, method.begin(problem, None)


def loss(problem: Problem, method: Latent, state: State) -> Tensor:
    rendered = method.render(problem, state, 0)
    return (problem.goal.loss(rendered.image) + rendered.penalty).sum()


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("guidance_scale", [1.0, 2.0])
def test_gradients_equal_finite_differences(make_problem, steps, guidance_scale):
    problem = make_problem(guidance_scale=guidance_scale)
    method, state = begun(
        problem, num_inference_steps=steps, tv_weight=0.1, tv_beta=2.0, optimise_conditioning=steps > 0
    )
    if not steps:
        state["latents"] = torch.randn(state["latents"].shape, dtype=torch.float64)
    gradients = differentiate(problem, method, state, 0).gradients
    for name in method.variables:
        direction = torch.randn(state[name].shape, dtype=torch.float64)
        with torch.no_grad():
            ends = [loss(problem, method, {**state, name: state[name] + h * direction}) for h in (1e-5, -1e-5)]
        expected = (ends[0] - ends[1]) / 2e-5
        assert expected.abs() > 1e-8
        torch.testing.assert_close((gradients[name] * direction).sum(), expected, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_recomputed_steps_equal_the_plain_ones_in_value_and_gradient(make_problem, strength):
    problem = make_problem(guidance_scale=2.0, latents=torch.randn(2, 2, 4, 4, dtype=torch.float64))
    method, state = begun(problem, num_inference_steps=4, strength=strength)
    scheduler = copy.deepcopy(problem.model.scheduler)
    scheduler.set_timesteps(4)
    alphas = scheduler.alphas_cumprod.double()
    found = []
    for recomputed in (True, False):
        z = state["latents"].clone().requires_grad_()
        if recomputed:
            drawn = method.generate(problem, z)
        else:
            drawn = z
            for t in scheduler.timesteps[-int(4 * strength) :]:
                one, free = (
                    problem.model.denoiser(drawn, t, encoder_hidden_states=c.tokens)[0]
                    for c in (problem.text, problem.unconditional)
                )
                velocity, a = free + 2.0 * (one - free), alphas[t]
                after = alphas[t - 250] if t >= 250 else torch.ones_like(a)
                x0, eps = a.sqrt() * drawn - (1 - a).sqrt() * velocity, a.sqrt() * velocity + (1 - a).sqrt() * drawn
                drawn = after.sqrt() * x0 + (1 - after).sqrt() * eps
        (drawn * torch.arange(z.numel()).reshape(z.shape)).sum().backward()
        found.append((drawn.detach(), z.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_noise_between_the_steps_of_a_few_step_prior(make_problem, monkeypatch):
    problem = make_problem()
    monkeypatch.setattr(problem.model, "few_step", True)
    method, state = begun(problem, num_inference_steps=3)
    drawn = method.generate(problem, state["latents"])
    assert torch.equal(drawn, method.generate(problem, state["latents"]))
    for row in (0, 1):
        alone = method.generate(make_problem(rows=[row]), state["latents"][[row]])
        torch.testing.assert_close(alone, drawn[[row]], rtol=1e-10, atol=1e-10)

    coupling = FrameCoupling(0.1, torch.ones(2))
    twins = replace(problem, coupling=coupling, conditioning=problem.text[torch.tensor([0, 0])])
    one, other = method.generate(twins, state["latents"][[0, 0]])
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    one, other = method.generate(replace(twins, coupling=None), state["latents"][[0, 0]])
    assert not torch.allclose(one, other, atol=0.01)


def kept_bytes(run: Callable[[], Tensor]) -> int:
    """Bytes kept for the backward pass, storages counted once, with what checkpoints hold of their inputs."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return sum(storages.values())


def test_memory_is_flat_in_the_number_of_steps(tiny_prior):
    """A checkpoint keeps its inputs where no hook sees them: one latent a step, added here."""
    conditioning = tiny_prior.condition(["a dog"])
    z = torch.randn(1, *tiny_prior.latent_shape)

    def kept(steps: int, **options: int) -> int:
        start = z.clone().requires_grad_()
        drawn = lambda: run_steps(tiny_prior, start, tiny_prior.schedule(steps), conditioning, **options)  # noqa: E731
        return kept_bytes(lambda: tiny_prior.decode(drawn()).square().sum()) + steps * z.nbytes

    assert kept(50) <= 1.3 * kept(5)
    assert kept(5, kept_steps=0) < kept(5) < kept(5, kept_steps=2)
    assert kept(50, kept_steps=50) >= 5 * kept(5, kept_steps=5)


def test_steps_that_are_computed_again_give_the_same_gradient(make_problem):
    problem = make_problem()
    found = []
    for kept_steps in (0, 1, 3, 9):
        method, state = begun(problem, num_inference_steps=3, kept_steps=kept_steps)
        calls = []
        handle = problem.model.denoiser.register_forward_hook(
            lambda *_, calls=calls: calls.append(torch.is_grad_enabled())
        )
        found.append(differentiate(problem, method, state, 0).gradients["latents"])
        handle.remove()
        assert len(calls) == 3 + max(0, 3 - kept_steps)
    assert all(torch.equal(gradient, found[0]) for gradient in found)


def test_without_the_jacobian_the_gradient_of_the_latents_is_that_of_the_decoder(make_problem):
    problem = make_problem()
    method, state = begun(problem, num_inference_steps=3, jacobian_free=True)
    calls = []
    handle = problem.model.denoiser.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    found = differentiate(problem, method, state, 0)
    handle.remove()
    assert calls == [False] * 3
    with torch.no_grad():
        drawn = method.generate(problem, state["latents"])
    decoder, _ = begun(problem, num_inference_steps=0)
    expected = differentiate(problem, decoder, {**state, "latents": drawn}, 0)
    torch.testing.assert_close(found.gradients["latents"], expected.gradients["latents"])
    torch.testing.assert_close(found.image, expected.image)


@pytest.mark.parametrize(("steps", "strength", "guidance_scale"), [(0, 1.0, 1.0), (4, 1.0, 1.0), (4, 0.5, 3.0)])
def test_denoiser_calls_are_those_that_are_made(make_problem, steps, strength, guidance_scale):
    given = torch.zeros(2, 2, 4, 4, dtype=torch.float64)
    problem = make_problem(guidance_scale=guidance_scale, latents=given)
    method, state = begun(problem, num_inference_steps=steps, strength=strength)
    calls = []
    handle = problem.model.denoiser.register_forward_hook(lambda module, args, output: calls.append(len(args[0])))
    with torch.no_grad():
        method.render(problem, state, 0)
    handle.remove()
    assert sum(calls) == 2 * method.calls(problem, 0)


def test_latents_below_full_strength_start_from_those_given(make_problem):
    given = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    problem = make_problem(latents=given)
    _, state = begun(problem, num_inference_steps=10, strength=0.1)
    assert (state["latents"] - given).abs().mean() < (state["latents"]).abs().mean()
    _, alone = begun(problem, num_inference_steps=0, strength=0.5)
    assert torch.equal(alone["latents"], given)
    assert not begun(problem, num_inference_steps=0)[1]["latents"].any()
    with pytest.raises(ValueError, match=r"latent.strength is 0.5, but there is no inverter; allowed: 1, or name"):
        begun(make_problem(), strength=0.5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_inference_steps": -1}, r"latent.num_inference_steps is -1; allowed: 0 or more"),
        ({"kept_steps": -1}, r"latent.kept_steps is -1; allowed: 0 or more"),
        ({"num_inference_steps": 4, "strength": 0.2}, r"latent.strength is 0.2.*at least one step"),
        ({"jacobian_free": True, "optimise_conditioning": True}, r"latent.optimise_conditioning is true"),
        ({"num_steps": 0}, r"num_steps is 0; allowed: 1 or more"),
        ({"lr_decay": "linear"}, r"lr_decay is 'linear'; allowed: cosine, constant"),
    ],
)
def test_values_that_are_not_allowed(config, message):
    with pytest.raises(ValueError, match=message):
        Latent(LatentConfig(**config))
