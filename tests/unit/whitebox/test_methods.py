"""What holds for every method: batches, seeds, and that it finds something."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from inverter.config import LoopConfig
from inverter.whitebox.loop import optimise
from inverter.whitebox.methods import METHODS as WHITEBOX
from inverter.whitebox.methods.direct import DirectConfig
from inverter.whitebox.methods.guided import GuidedConfig
from inverter.whitebox.methods.hybrid import HybridConfig
from inverter.whitebox.methods.latent import LatentConfig
from inverter.whitebox.phase import Phase
from inverter.whitebox.phases.direct import Direct
from inverter.whitebox.phases.guided import Guided
from inverter.whitebox.phases.hybrid import phases as hybrid
from inverter.whitebox.phases.latent import Latent
from inverter.whitebox.problem import FrameCoupling, Problem

HYBRID = HybridConfig(lr=0.2, tv_weight=0.0, prior_every_n_steps=2, prior_until=0.8, polish="true")
PHASES: dict[str, Callable[[int], list[Phase]]] = {
    "direct": lambda n: [Direct(DirectConfig(num_steps=n), 8)],
    "latent": lambda n: [Latent(LatentConfig(num_steps=n, num_inference_steps=2))],
    "latent, jacobian-free": lambda n: [
        Latent(LatentConfig(num_steps=n, lr=0.2, num_inference_steps=2, jacobian_free=True))
    ],
    "latent, decoder alone": lambda n: [Latent(LatentConfig(num_steps=n, num_inference_steps=0))],
    "latent and conditioning": lambda n: [Latent(LatentConfig(num_steps=n, optimise_conditioning=True))],
    "guided": lambda n: [Guided(GuidedConfig(num_inference_steps=max(n // 2, 1), num_recurrences=2, clip=1.0))],
    "hybrid": lambda n: hybrid(replace(HYBRID, num_steps=n // 2, pixels=DirectConfig(num_steps=n // 2)), 256, 8),
    "hybrid, not polished": lambda n: hybrid(replace(HYBRID, num_steps=n, polish="false"), 256, 8),
}
METHODS = pytest.mark.parametrize("name", PHASES)


def images(problem: Problem, name: str, steps: int, **config: object) -> Tensor:
    return optimise(problem, PHASES[name](steps), LoopConfig(**config)).images  # type: ignore[arg-type]


@METHODS
def test_a_batch_of_two_equals_two_of_one(make_problem, name):
    start = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    together = optimise(make_problem(latents=start), PHASES[name](6), LoopConfig())
    for i in (0, 1):
        alone = optimise(make_problem(rows=[i], latents=start[[i]]), PHASES[name](6), LoopConfig())
        torch.testing.assert_close(together.images[[i]], alone.images, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(together.feature_loss[[i]], alone.feature_loss, rtol=1e-6, atol=1e-9)
        assert {k: int(v[i]) for k, v in together.counts.items()} == {k: int(v[0]) for k, v in alone.counts.items()}


@METHODS
def test_the_seed_and_the_key_decide(make_problem, name):
    problem = make_problem()
    first = images(problem, name, 4)
    assert torch.equal(first, images(problem, name, 4))
    if name != "latent, decoder alone":  # which starts from what is known
        assert not torch.equal(first, images(replace(problem, seed=1), name, 4))
        assert not torch.equal(first, images(replace(problem, keys=("a", "b")), name, 4))


@METHODS
def test_every_method_beats_its_start_and_the_mean_image(make_problem, pictures, name):
    problem = make_problem()
    found = optimise(problem, PHASES[name](40), LoopConfig())
    assert (found.feature_loss < found.first_loss).all()
    with torch.no_grad():
        floor = problem.goal.loss(torch.full_like(pictures, 0.5))  # what pictures drawn like these are on average
        again = problem.goal.loss(found.images)
    assert (found.feature_loss < floor).all()
    torch.testing.assert_close(again, found.feature_loss)  # the loss belongs to the picture that is returned
    assert found.images.min() >= 0
    assert found.images.max() <= 1


def test_direct_finds_the_picture_where_the_layer_determines_it(make_problem, pictures):
    phases = [Direct(DirectConfig(num_steps=400, tv_weight=0.0), 8)]
    found = optimise(make_problem(), phases, LoopConfig(patience=None)).images
    assert (found - pictures).square().mean() < 10 ** (-4.26)  # 42.6 dB


def test_total_variation_that_falls_to_nothing_leaves_the_picture_where_the_layer_determines_it(make_problem, pictures):
    errors = {}
    for decay in ("cosine", "constant"):
        phases = [Direct(DirectConfig(num_steps=400, tv_weight=0.03, tv_decay=decay), 8)]
        found = optimise(make_problem(), phases, LoopConfig(patience=None)).images
        errors[decay] = (found - pictures).square().mean()
    assert errors["cosine"] < 0.1 * errors["constant"]
    with pytest.raises(ValueError, match=r"tv_decay is 'linear'; allowed: cosine, constant"):
        Direct(DirectConfig(tv_decay="linear"), 8)


@METHODS
@pytest.mark.parametrize("distance", ["mse", "sum", "cosine"])
def test_every_distance_and_several_layers(make_problem, name, distance):
    problem = make_problem(layers=("1", "3"), distance=distance)
    found = optimise(problem, PHASES[name](12), LoopConfig())
    assert (found.feature_loss < found.first_loss).all()


def test_hybrid_polishes_where_the_layer_settles_the_pixels():
    config = HybridConfig(settled_ratio=2.0)
    assert len(hybrid(config, 2 * 3 * 64, 8)) == 2
    assert len(hybrid(config, 2 * 3 * 64 - 1, 8)) == 1
    assert len(hybrid(replace(config, polish="true"), 1, 8)) == 2
    assert len(hybrid(replace(config, polish="False"), 10**6, 8)) == 1
    with pytest.raises(ValueError, match=r"hybrid.polish is 'maybe'; allowed: auto, true, false"):
        hybrid(replace(config, polish="maybe"), 1, 8)


def test_a_method_takes_as_many_steps_as_it_may_query():
    assert WHITEBOX["latent"].make_queries(LatentConfig(num_steps=3), 100, [3]) == LatentConfig(num_steps=100)
    assert WHITEBOX["guided"].make_queries(GuidedConfig(), 100, [9]) == GuidedConfig()
    both = WHITEBOX["hybrid"].make_queries(HYBRID, 100, [HYBRID.num_steps, 300])
    assert (both.num_steps, both.pixels.num_steps) == (40, 60)
    assert WHITEBOX["hybrid"].make_queries(HYBRID, 100, [HYBRID.num_steps]).num_steps == 100


def test_hybrid_calls_the_denoiser_at_first(make_problem):
    problem = make_problem()
    phases = hybrid(HybridConfig(num_steps=10, prior_every_n_steps=1, polish="false"), 256, 8)
    calls = []
    handle = problem.model.denoiser.register_forward_hook(lambda *_: calls.append(1))
    found = optimise(problem, phases, LoopConfig())
    handle.remove()
    assert len(calls) == 3
    assert found.counts["denoiser_calls"].tolist() == [3, 3]
    assert found.counts["target_queries"].tolist() == [10, 10]


def test_hybrid_keeps_as_much_of_its_start_as_the_strength_says(make_problem):
    problem = make_problem()
    start = torch.randn(2, *problem.model.latent_shape, generator=torch.Generator().manual_seed(5)).to(problem.dtype)

    def first(problem: Problem, numbers: int, **config: object) -> Tensor:
        (phase,) = hybrid(HybridConfig(polish="false", **config), numbers, 8)
        return phase.prepare(problem, phase.begin(problem, None), 0)["latents"]

    def distance(numbers: int, **config: object) -> float:
        return (first(replace(problem, latents=start), numbers, **config) - start).square().mean().item()

    settled, open_layer = 2 * 3 * 64, 2 * 3 * 64 - 1
    assert distance(settled) == distance(open_layer, strength=0.15) < distance(settled, strength=0.5)
    assert distance(open_layer) == distance(settled, strength=0.8)
    assert distance(settled, prior_every_n_steps=0) == 0
    drawn = first(problem, settled, strength=0.5)
    torch.testing.assert_close(drawn, first(problem, open_layer, strength=1.0))  # without a start all of it is drawn
    assert drawn.std() > 0
    with pytest.raises(ValueError, match=r"hybrid.strength is 1.5; allowed: above 0, up to 1"):
        first(problem, settled, strength=1.5)


def refine(problem: Problem, **config: object) -> tuple[Phase, dict[str, Tensor]]:
    (phase,) = hybrid(HybridConfig(polish="false", prior_every_n_steps=1, prior_until=1.0, **config), 256, 8)
    return phase, phase.begin(problem, None)


def test_hybrid_that_does_not_descend_is_ddim(make_problem):
    problem = make_problem()
    phase, state = refine(problem, num_steps=4)
    scheduler = copy.deepcopy(problem.model.scheduler)
    steps = scheduler.config.num_train_timesteps
    noise, expected = state["noise"], state["latents"]
    for step in range(4):
        t = round(steps * (1 - step / 4)) - 1
        alpha = scheduler.alphas_cumprod[t].double()
        noisy = alpha.sqrt() * expected + (1 - alpha).sqrt() * noise
        expected, noise = problem.model.predict(noisy, torch.tensor(t), problem.text)
        state = phase.prepare(problem, state, step)
        torch.testing.assert_close(state["latents"], expected.detach())
        torch.testing.assert_close(state["noise"], noise.detach())


def test_hybrid_keeps_what_a_denoiser_makes_infinite(make_problem, monkeypatch):
    problem = make_problem()
    phase, state = refine(problem, num_steps=4)
    forward = problem.model.denoiser.forward

    def broken(latents: Tensor, *more: object, **words: object) -> tuple[Tensor]:
        output = forward(latents, *more, **words)[0].clone()
        output[1, 0, 0, 0] = torch.inf
        return (output,)

    monkeypatch.setattr(problem.model.denoiser, "forward", broken)
    after = phase.prepare(problem, state, 0)
    for name in ("latents", "noise"):
        assert torch.equal(after[name][1], state[name][1])
    assert not torch.equal(after["latents"][0], state["latents"][0])


def test_hybrid_does_not_draw_frames_again_that_are_known(make_problem):
    known = torch.ones(1, 2, 4, 4, dtype=torch.float64)
    problem = make_problem(coupling=FrameCoupling(1.0, torch.ones(2, dtype=torch.float64), known=known))
    phase, state = refine(problem, num_steps=4)
    after = phase.prepare(problem, state, 0)
    assert torch.equal(after["latents"][0], known[0])
    assert not torch.equal(after["latents"][1], state["latents"][1])


def test_hybrid_refuses_a_few_step_prior(make_problem, monkeypatch):
    problem = make_problem()
    monkeypatch.setattr(problem.model, "few_step", True)
    with pytest.raises(ValueError, match=r"draws in few steps, which hybrid does not; allowed: the base"):
        refine(problem, num_steps=4)
