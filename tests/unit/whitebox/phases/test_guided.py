"""DRAG's loop: what the sphere, the recurrence and the schedule must do."""

import copy

import pytest
import torch

from inverter.whitebox.gradient import differentiate
from inverter.whitebox.methods.guided import GuidedConfig
from inverter.whitebox.phases.guided import Guided, unit


def test_without_guidance_and_noise_it_is_ddim(make_problem):
    """eta 0 leaves no sphere: the latents follow diffusers' deterministic scheduler."""
    problem = make_problem()
    method = Guided(GuidedConfig(num_inference_steps=5, num_recurrences=1, eta=0.0))
    state = method.begin(problem, None)
    scheduler = copy.deepcopy(problem.model.scheduler)
    scheduler.set_timesteps(5)
    expected = state["latents"]
    for step, t in enumerate(scheduler.timesteps):
        output = problem.model.denoiser(expected, t, encoder_hidden_states=problem.text.tokens)[0].detach()
        expected = scheduler.step(output, t, expected).prev_sample
        found = differentiate(problem, method, state, step)
        state = method.update(problem, state, found.gradients, found.extra, step)
        torch.testing.assert_close(state["latents"], expected, rtol=1e-5, atol=1e-6)


def test_the_noise_lies_on_the_sphere_of_each_image(make_problem):
    problem = make_problem()
    method = Guided(GuidedConfig(num_inference_steps=4, num_recurrences=1))
    state, step = method.begin(problem, None), 1
    found = differentiate(problem, method, state, step)
    after = method.update(problem, state, found.gradients, found.extra, step)["latents"]
    a, a_next = (problem.model.process.alpha(t) for t in method._timesteps(problem, step))
    s = ((1 - a_next) / (1 - a) * (1 - a / a_next)).sqrt()
    mean = a_next.sqrt() * found.extra["x0"] + (1 - a_next - s**2).sqrt() * found.extra["eps"]
    radius = (after - mean).flatten(1).norm(dim=1)
    torch.testing.assert_close(radius, (s * 32**0.5).double().expand(2), rtol=1e-5, atol=1e-6)


def test_full_guidance_goes_down_the_gradient(make_problem):
    problem = make_problem()
    method = Guided(GuidedConfig(num_inference_steps=4, num_recurrences=1, guidance=1.0))
    state = method.begin(problem, None)
    found = differentiate(problem, method, state, 1)
    without = method.update(problem, state, {"latents": torch.zeros_like(state["latents"])}, found.extra, 1)
    moved = method.update(problem, state, found.gradients, found.extra, 1)["latents"] - without["latents"]
    assert ((moved * found.gradients["latents"]).flatten(1).sum(1) < 0).all()


def test_both_predictions_give_the_same_answer(make_problem):
    """The denoised estimate and the noise recompose the noisy latents, whatever the schedule predicts."""
    problem = make_problem()
    z, t = torch.randn(2, 2, 4, 4, dtype=torch.float64), torch.tensor(400)
    a = problem.model.scheduler.alphas_cumprod[t].double()
    x0, eps = problem.model.predict(z, t, problem.text)
    torch.testing.assert_close(a.sqrt() * x0 + (1 - a).sqrt() * eps, z)
    torch.testing.assert_close(x0, problem.model.predict(z, t.expand(2), problem.text)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("budget", "timesteps", "recurrences"),
    [(None, 250, 16), (4000, 250, 16), (1024, 250, 4), (256, 250, 1), (50, 50, 1)],
)
def test_a_budget_takes_recurrences_first(budget, timesteps, recurrences):
    method = Guided(GuidedConfig())
    method.fit(budget)
    assert (method.grid, method.recurrences) == (timesteps, recurrences)
    assert method.num_steps <= (budget or 4000)


@pytest.mark.parametrize("strength", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("budget", [1, 2, 7])
def test_a_small_budget_leaves_a_schedule_from_the_inverter(budget, strength):
    method = Guided(GuidedConfig(start="inverter", strength=strength))
    method.fit(budget)
    assert method.num_steps == budget


def test_drag_plus_plus_starts_near_the_inverter(make_problem):
    given = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    config = GuidedConfig(num_inference_steps=20, num_recurrences=1, start="inverter", strength=0.1)
    method = Guided(config)
    assert method.num_steps == 2
    near = method.begin(make_problem(latents=given), None)["latents"]
    assert (near - given).abs().mean() < 0.5 * given.abs().mean()
    with pytest.raises(ValueError, match=r"guided.start is 'inverter', but there is none"):
        method.begin(make_problem(), None)


def test_a_few_step_prior_is_refused(make_problem, monkeypatch):
    problem = make_problem()
    monkeypatch.setattr(problem.model, "few_step", True)
    with pytest.raises(ValueError, match=r"prior smooth draws in few steps, which guided does not; allowed: the base"):
        Guided(GuidedConfig(num_inference_steps=2)).begin(problem, None)


def test_a_direction_has_length_one_or_none():
    directions = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert unit(directions).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_recurrences": 0}, r"guided.num_recurrences is 0; allowed: 1 or more"),
        ({"start": "photo"}, r"guided.start is 'photo'; allowed: noise, inverter"),
        ({"guidance": 1.5}, r"guided.guidance is 1.5; allowed: 0 to 1"),
        ({"start": "inverter", "strength": 0.0}, r"guided.strength is 0.0; allowed: 0.004 to 1"),
        ({"start": "inverter", "strength": 0.333, "num_inference_steps": 3}, r"allowed: 0.334 to 1"),
    ],
)
def test_values_that_are_not_allowed(config, message):
    with pytest.raises(ValueError, match=message):
        Guided(GuidedConfig(**config))
