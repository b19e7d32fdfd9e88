import math

import pytest
import torch

from inverter.priors.process import END, Diffusion
from inverter.priors.training.denoiser import build_scheduler
from inverter.priors.training.distillation import path_timesteps, phased_loss, pseudo_huber

PROCESS = Diffusion(build_scheduler("v_prediction"))
PATH = path_timesteps(1000, 12)
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
