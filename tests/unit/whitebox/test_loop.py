"""The loop: choosing, leaving, budgets, stopping and going on, repairs."""

import inspect
import os
import pkgutil
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import Tensor

import inverter.whitebox
from inverter.config import LoopConfig
from inverter.whitebox import loop
from inverter.whitebox.adam import State, begin_adam
from inverter.whitebox.goal import Goal
from inverter.whitebox.loop import iterate, optimise
from inverter.whitebox.methods.direct import DirectConfig
from inverter.whitebox.methods.guided import GuidedConfig
from inverter.whitebox.methods.hybrid import HybridConfig
from inverter.whitebox.methods.latent import LatentConfig
from inverter.whitebox.phase import Phase, Rendered, rates
from inverter.whitebox.phases.guided import Guided
from inverter.whitebox.phases.hybrid import phases as hybrid
from inverter.whitebox.phases.latent import Latent
from inverter.whitebox.problem import Problem
from inverter.whitebox.saved import SavedState


class Script(Phase):
    """Renders grey pictures whose brightness, and so whose loss, follows a script of one row a step."""

    variables = ("x",)

    def __init__(self, levels: list[list[float]]) -> None:
        super().__init__(len(levels))
        self.levels = torch.tensor(levels)

    def begin(self, problem, best):
        x = torch.zeros(len(problem.keys))
        rows = torch.tensor([int(key) for key in problem.keys])
        return begin_adam({"x": x, "row": rows, "rate": rates(x)}, "x")

    def render(self, problem, state, step):
        level = self.levels[step][state["row"]]
        image = level[:, None, None, None].expand(-1, 3, 2, 2) + 0 * state["x"][:, None, None, None]
        return Rendered(image, torch.zeros(len(image)))

    def update(self, problem, state, gradients, extra, step):
        return {**state, "x": state["x"] + 1}


def scripted(size: int) -> Problem:
    """Features are the mean brightness, the goal is 0."""
    goal = Goal(lambda images: {"mean": images.mean((2, 3))}, {"mean": torch.zeros(size, 3)}, "sum")
    return Problem(tuple(map(str, range(size))), goal)


def test_the_best_iterate_of_each_image_is_kept():
    result = optimise(scripted(2), [Script([[0.5, 0.9], [0.25, 0.5], [0.75, 0.0]])], LoopConfig())
    assert result.images[:, 0, 0, 0].tolist() == [0.25, 0.0]
    assert result.feature_loss.tolist() == [3 * 0.25**2, 0.0]
    assert result.first_loss.tolist() == pytest.approx([3 * 0.5**2, 3 * 0.9**2])
    assert result.best["x"].tolist() == [1.0, 2.0]


def test_iterates_are_what_was_found_at_each_step_and_stay_so():
    found = list(iterate(scripted(1), [Script([[0.4], [0.2], [0.3]])], LoopConfig(patience=None)))
    assert [round(float(each.images.mean()), 6) for each in found] == [0.4, 0.2, 0.2]
    assert [int(each.counts["target_queries"]) for each in found] == [1, 2, 3]
    assert torch.equal(found[-1].images, optimise(scripted(1), [Script([[0.4], [0.2], [0.3]])], LoopConfig()).images)


def test_finished_images_leave_the_batch_and_cost_nothing():
    levels = [[0.5, 0.9, 0.5], [0.0, 0.8, 0.5], [0.9, 0.7, 0.5], [0.9, 0.6, 0.4], [0.9, 0.5, 0.1]]
    sizes = []
    problem = scripted(3)
    query = problem.goal.query
    problem.goal.query = lambda images: sizes.append(len(images)) or query(images)
    result = optimise(problem, [Script(levels)], LoopConfig(tolerance=1e-6, patience=2, min_improvement=0.01))
    assert sizes == [3, 3, 2, 1, 1]  # the first is perfect after two steps, the last has not improved for two
    assert result.counts["target_queries"].tolist() == [2, 5, 3]
    assert result.images[:, 0, 0, 0].tolist() == pytest.approx([0.0, 0.5, 0.5])


def test_a_budget_of_queries_ends_the_loop():
    result = optimise(scripted(1), [Script([[0.5]] * 9)], LoopConfig(max_queries=4, patience=None))
    assert result.counts["target_queries"].tolist() == [4]
    assert result.limit == "max_queries"


@pytest.mark.parametrize(
    ("max_queries", "more", "limit"),
    [
        (None, {}, None),
        (9, {}, None),
        (4, {}, "max_queries"),
        (4, {"patience": 2}, None),
        (4, {"tolerance": 1.0}, None),
    ],
)
def test_a_budget_is_named_only_where_it_ended_a_search(max_queries, more, limit):
    method = Script([[0.5]] * 9)
    method.fit(max_queries)
    result = optimise(scripted(1), [method], LoopConfig(max_queries=max_queries, **{"patience": None, **more}))
    assert result.limit == limit


def test_a_budget_of_seconds_is_an_images(monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(now))
    one = optimise(scripted(1), [Script([[0.5]] * 99)], LoopConfig(max_seconds=10, patience=None))
    two = optimise(scripted(2), [Script([[0.5, 0.5]] * 99)], LoopConfig(max_seconds=10, patience=None))
    assert one.limit == two.limit == "max_seconds"
    assert 2 < one.counts["steps"][0] < two.counts["steps"][0] < 99


PHASES: dict[str, Callable[[], list[Phase]]] = {
    "latent": lambda: [Latent(LatentConfig(num_steps=8, num_inference_steps=2, optimise_conditioning=True))],
    "guided": lambda: [Guided(GuidedConfig(num_inference_steps=4, num_recurrences=2))],
    "hybrid": lambda: hybrid(
        HybridConfig(
            num_steps=4, prior_every_n_steps=2, prior_until=1.0, polish="true", pixels=DirectConfig(num_steps=4)
        ),
        256,
        8,
    ),
}


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("stop_after", [1, 4, 5])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_and_resumed_equals_uninterrupted(make_problem, tmp_path, name, stop_after, number):
    def interrupt(done: int, loss: float) -> None:
        if done == stop_after:
            os.kill(os.getpid(), number)

    whole = optimise(make_problem(), PHASES[name](), LoopConfig())
    saved = SavedState(tmp_path / "state.safetensors", "recipe")
    part = optimise(make_problem(), PHASES[name](), LoopConfig(), saved=saved, show=interrupt)
    assert part.stopped_by == number
    assert part.counts["steps"].tolist() == [stop_after] * 2
    assert part.images.isfinite().all()
    assert saved.path.is_file()
    again = optimise(make_problem(), PHASES[name](), LoopConfig(), saved=saved)
    assert again.stopped_by is None
    for field in ("images", "feature_loss", "first_loss"):
        assert torch.equal(getattr(again, field), getattr(whole, field))
    assert {k: v.tolist() for k, v in again.counts.items()} == {k: v.tolist() for k, v in whole.counts.items()}
    assert signal.getsignal(number) is not None


def test_a_finished_loop_is_read_and_not_run_again(make_problem, tmp_path):
    saved = SavedState(tmp_path / "state.safetensors", "recipe")
    first = optimise(make_problem(), PHASES["latent"](), LoopConfig(), saved=saved)
    steps = []
    again = optimise(make_problem(), PHASES["latent"](), LoopConfig(), saved=saved, show=lambda *_: steps.append(1))
    assert steps == []
    assert torch.equal(first.images, again.images)


def test_a_state_of_another_recipe_is_refused(make_problem, tmp_path):
    path = tmp_path / "state.safetensors"
    optimise(make_problem(), PHASES["latent"](), LoopConfig(), saved=SavedState(path, "one"))
    with pytest.raises(ValueError, match=r"of other features or another configuration; choose another output"):
        optimise(make_problem(), PHASES["latent"](), LoopConfig(), saved=SavedState(path, "other"))
    fresh = optimise(make_problem(), PHASES["latent"](), LoopConfig(resume=False), saved=SavedState(path, "other"))
    assert fresh.counts["steps"].tolist() == [8, 8]
    SavedState(path, "one").save({"active": torch.arange(2)}, {"phase": 0})
    with pytest.raises(ValueError, match=r"state .* is not of this loop"):
        optimise(make_problem(), PHASES["latent"](), LoopConfig(), saved=SavedState(path, "one"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"state .* cannot be read: .*loop.resume=false"):
        SavedState(path, "one").load()


def test_a_loop_in_another_thread_leaves_signals_alone(make_problem):
    found = []
    thread = threading.Thread(target=lambda: found.append(optimise(make_problem(), PHASES["latent"](), LoopConfig())))
    thread.start()
    thread.join()
    assert found[0].stopped_by is None


class Overflow:
    """Target that is infinite in half precision, and at some calls in float32, for one of the images."""

    def __init__(self, target, bad_calls=()):
        self.target, self.bad_calls, self.calls = target, set(bad_calls), 0

    def __call__(self, images: Tensor) -> State:
        self.calls += 1
        half = torch.is_autocast_enabled("cpu")
        bad = half or self.calls in self.bad_calls
        scale = torch.ones(len(images), 1, 1, 1, dtype=images.dtype)
        if bad:
            scale[-1] = torch.inf
        return {layer: values * scale for layer, values in self.target(images).items()}


def broken(problem: Problem, query: Callable) -> Problem:
    goal = problem.goal.select(torch.arange(len(problem.keys)))
    goal.query = query
    return replace(problem, goal=goal)


def test_a_step_that_overflows_in_half_precision_is_done_again(make_problem, target):
    problem = broken(make_problem(), Overflow(target))
    result = optimise(problem, [Latent(LatentConfig(num_steps=3))], LoopConfig(precision="bf16"))
    assert result.counts["repaired"].tolist() == [0, 3]
    assert result.counts["target_queries"].tolist() == [3, 6]
    plain = optimise(make_problem(), [Latent(LatentConfig(num_steps=3))], LoopConfig())
    torch.testing.assert_close(result.images[1], plain.images[1])


@pytest.mark.parametrize("name", PHASES)
def test_a_step_that_is_not_finite_goes_back_to_the_best(make_problem, target, name):
    problem = broken(make_problem(), Overflow(target, bad_calls=[3]))
    result = optimise(problem, PHASES[name](), LoopConfig())
    assert result.counts["repaired"].tolist() == [0, 1]
    assert result.images.isfinite().all()
    assert (result.feature_loss <= result.first_loss).all()
    untouched = optimise(make_problem(), PHASES[name](), LoopConfig())
    torch.testing.assert_close(result.images[0], untouched.images[0])


def test_a_start_that_is_not_finite_is_an_error(make_problem, target):
    problem = broken(make_problem(), Overflow(target, bad_calls=[1]))
    with pytest.raises(ValueError, match="loss or gradient of picture-1 is NaN or infinite at the start"):
        optimise(problem, PHASES["latent"](), LoopConfig())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"precision": "fp16"}, r"loop.precision is 'fp16'; allowed: auto, bf16, fp32"),
        ({"max_queries": 0}, r"loop.max_queries is 0; allowed: above 0, or null"),
        ({"max_seconds": -1.0}, r"loop.max_seconds is -1.0"),
        ({"patience": 0}, r"loop.patience is 0"),
    ],
)
def test_values_that_are_not_allowed(config, message):
    with pytest.raises(ValueError, match=message):
        optimise(scripted(1), [Script([[0.5]])], LoopConfig(**config))


def test_nothing_in_the_package_is_given_a_picture():
    """No parameter is a picture, and nothing that could read one is imported; losses get what the attack rendered."""
    for info in pkgutil.iter_modules(inverter.whitebox.__path__):
        module = import_module(f"inverter.whitebox.{info.name}")
        source = Path(module.__file__).read_text()
        for imported in re.findall(r"^from (inverter[\w.]*) import (.+)$", source, re.MULTILINE):
            assert imported[0] not in ("inverter.data.inputs", "inverter.evaluation.metrics"), (info.name, imported)
            assert imported[0] != "inverter.data.pictures" or imported[1] == "derive_seed"
        assert not re.search(r"^import inverter", source, re.MULTILINE), info.name
        for name, function in functions(module):
            given = set(inspect.signature(function).parameters) & PICTURES
            assert not given or name in OF_RENDERED, (info.name, name, given)


PICTURES = {"image", "images", "picture", "pictures", "original", "originals"}
OF_RENDERED = {"Attack._query", "Goal.loss", "Rendered", "Evaluated", "Result"}  # of what the attack made itself


def functions(module):
    """Functions, methods and constructors, those of dataclasses with their fields, that a module defines."""
    for name, found in inspect.getmembers(module, lambda x: getattr(x, "__module__", None) == module.__name__):
        if inspect.isfunction(found):
            yield name, found
        elif inspect.isclass(found):
            yield name, found
            yield from (
                (f"{name}.{part}", f) for part, f in inspect.getmembers(found, inspect.isfunction) if part[:2] != "__"
            )
