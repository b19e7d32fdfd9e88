import math

import pytest
import torch
from priors_toys import write_flow

from inverter.priors.load import load_prior
from inverter.priors.process import END, Diffusion
from inverter.priors.training.denoiser import build_scheduler
from inverter.priors.training.distillation import path_timesteps, phased_loss, pseudo_huber

PROCESS = Diffusion(build_scheduler("v_prediction"))
PATH = torch.linspace(1000, 0, 13).round().long() - 1
LATENTS = torch.randn(64, 2, 3, 3, generator=torch.Generator().manual_seed(0))


def knows(off: float):
    """An estimate whose x0 is off by so much, and whose noise is what that leaves."""

    def estimate(noisy, t):
        signal, spread = PROCESS.coefficients(t, noisy)
        return LATENTS + off, (noisy - signal * (LATENTS + off)) / spread

    return estimate


@pytest.mark.parametrize("phase", [1, 3, 12])
@pytest.mark.parametrize("off", [0.0, 0.3])
def test_an_error_of_x0_counts_the_same_at_the_end_of_every_phase(phase, off):
    loss = phased_loss(PROCESS, knows(off), knows(0.0), LATENTS, PATH, phase=phase, hop=phase, huber=0.4)
    assert loss.item() == pytest.approx(math.hypot(off, 0.4) - 0.4, abs=1e-4)


def test_one_phase_of_single_hops_is_consistency_to_the_image():
    def network(noisy, t):
        return (noisy * torch.cos(t.view(-1, 1, 1, 1).float())), noisy.tanh()

    drawn = torch.Generator().manual_seed(5)
    found = phased_loss(PROCESS, network, knows(0.1), LATENTS, PATH, phase=12, huber=0.01, generator=drawn)
    drawn.manual_seed(5)
    place = torch.randint(0, 12, (64,), generator=drawn)
    noise = torch.randn(LATENTS.shape, generator=drawn)
    t, nearer = PATH[place], PATH[place + 1]
    noisy = PROCESS.add_noise(LATENTS, noise, t)
    there = PROCESS.add_noise(*knows(0.1)(noisy, t), nearer)
    goal = torch.where((nearer == END).view(-1, 1, 1, 1), there, network(there, nearer)[0])
    assert (nearer == END).any()
    torch.testing.assert_close(found, pseudo_huber(network(noisy, t)[0], goal, 0.01))


def test_the_teacher_goes_as_many_steps_as_a_hop_has():
    seen, asked = [], []

    def teacher(noisy, t):
        seen.append(t)
        return knows(0.0)(noisy, t)

    def student(noisy, t):
        asked.append(t)
        return knows(0.0)(noisy, t)

    phased_loss(PROCESS, student, teacher, LATENTS, PATH, phase=3, hop=3, huber=0.1)
    assert len(asked) == 1 and set(asked[0].tolist()) == {999, 749, 499, 249}
    places = [torch.searchsorted(-PATH, -t) for t in seen]
    assert len(places) == 3 and all(torch.equal(place, places[0] + n) for n, place in enumerate(places))


@pytest.mark.parametrize("num_steps", [2, 12, 40, 64])
def test_the_path_of_trailing_timesteps_is_even(tiny_prior, num_steps):
    even = torch.linspace(1000, 0, num_steps + 1).round().long() - 1
    for num_phases in (n for n in (1, 2, 3, 4, 8) if num_steps % n == 0):
        assert torch.equal(path_timesteps(tiny_prior, num_steps, num_phases), even)


@pytest.mark.parametrize("kind", ["embedded", "epsilon", "v_prediction", "flow"])
@pytest.mark.parametrize("num_phases", [1, 2, 3, 4])
def test_phases_begin_where_the_sampler_goes_through(request, stable_diffusion, tmp_path, kind, num_phases):
    if kind == "embedded":
        prior = request.getfixturevalue("tiny_prior")
    else:
        prior = load_prior(write_flow(tmp_path / "flow") if kind == "flow" else stable_diffusion(kind))
    for num_steps in (num_phases, 12):
        path = path_timesteps(prior, num_steps, num_phases)
        visited = prior.schedule(num_phases if num_phases > 1 else num_steps)
        assert len(path) == num_steps + 1 and (path.diff() <= 0).all() and (path[:-1] >= 0).all()
        torch.testing.assert_close(path[:: num_steps // (len(visited) - 1)], visited)
