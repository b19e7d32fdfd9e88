"""The loop that all methods share. It gets features and never an image, and chooses by feature loss alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverter.config import LoopConfig
from inverter.config.errors import one_line
from inverter.run.device import pick_precision
from inverter.run.signals import Stop
from inverter.whitebox.adam import State
from inverter.whitebox.gradient import Evaluated, differentiate, merge
from inverter.whitebox.phase import Phase
from inverter.whitebox.problem import Problem
from inverter.whitebox.saved import SavedState
from inverter.whitebox.search_state import SearchState

LEAST_RATE = 2.0**-10
"""Share of the learning rate at which an image whose steps are not finite is given up."""

Show = Callable[[int, float], None]
"""Told the steps done and the mean feature loss of the best iterates."""


@dataclass(frozen=True)
class Result:
    """What a loop found, B rows each.

    Args:
        images: ``(B, 3, S, S)`` in [0, 1]: of each image the iterate with the lowest feature loss.
        feature_loss: ``(B,)``, of these.
        first_loss: ``(B,)``, of the first iterates.
        best: The methods' variables, such as ``latents``: each of the best iterate of the phases that have it, so after
            polishing the latents are not those of the images.
        counts: ``target_queries`` (forward passes of the target, each with its backward pass), ``denoiser_calls``
            (forward passes of the denoiser, without those that the backward pass repeats), ``steps``, ``repaired``.
        seconds: Of the whole batch, over all parts of a stopped run.
        stopped_by: Number of the signal that ended the loop early; None where none did.
        limit: ``max_queries`` or ``max_seconds`` where that ended an image's search before the method would have.
    """

    images: Tensor
    feature_loss: Tensor
    first_loss: Tensor
    best: State
    counts: State
    seconds: float
    stopped_by: int | None
    limit: str | None = None


def optimise(
    problem: Problem,
    phases: Sequence[Phase],
    config: LoopConfig,
    *,
    saved: SavedState | None = None,
    show: Show | None = None,
    begun: float | None = None,
) -> Result:
    """Run the phases one after the other, each from the best that the one before found.

    An image leaves the batch when its feature loss reaches the tolerance or stops falling; frames of one clip leave
    together. The loop ends when all have left, at the budget, or after the step in which a signal comes: what is
    returned is always the best so far. A loop that was stopped goes on from ``saved`` to the same result.

    Args:
        problem: The batch.
        phases: Methods, fitted to the budget already.
        config: Budget, patience, precision.
        saved: Where the state is kept; None keeps none.
        show: Progress.
        begun: ``time.monotonic()`` at which the clock starts; None: now.
    Raises:
        ValueError: A value that is not allowed, a saved state of another recipe, or a first iterate that is not finite.
    """
    _check(config)
    run = Run(problem, phases, config, saved, begun)
    with Stop() as stop:
        while run.goes_on and stop.signal is None:
            run.step()
            if show is not None:
                show(run.steps_done, float(run.search.best["feature_loss"].mean()))
        run.save()
    return run.result(stop.signal)


def iterate(
    problem: Problem, phases: Sequence[Phase], config: LoopConfig, *, begun: float | None = None
) -> Iterator[Result]:
    """What :func:`optimise` would return after each step; closing the iterator ends the search, a signal does not.

    Args and errors are those of :func:`optimise`.
    """
    _check(config)
    run = Run(problem, phases, config, None, begun)
    while run.goes_on:
        run.step()
        yield run.result(None)


class Run:
    """A loop under way: problem and state of the images still in the batch, and the search of all."""

    def __init__(
        self,
        problem: Problem,
        phases: Sequence[Phase],
        config: LoopConfig,
        saved: SavedState | None,
        begun: float | None = None,
    ) -> None:
        self.whole, self.phases, self.config, self.saved = problem, phases, config, saved
        self.before, self.begun = 0.0, time.monotonic() if begun is None else begun
        self.half = pick_precision(config.precision, problem.device, "loop.precision") == "bf16"
        self.phase = self.number = self.steps_done = 0
        self.search = SearchState.empty(len(problem.keys), problem.dtype, problem.device)
        self.active = torch.arange(len(problem.keys), device=problem.device)
        self.problem = problem
        self.state: State = {}
        restored = saved.load(problem.device) if saved is not None and config.resume else None
        if saved is not None and restored is not None:
            try:
                self._restore(*restored)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise ValueError(f"state {saved.path} is not of this loop: {one_line(error)}") from error
        self.shown = time.monotonic()

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.begun

    @property
    def goes_on(self) -> bool:
        """Whether there is a step to make."""
        return self.phase < len(self.phases) and not self.out_of_time

    @property
    def out_of_time(self) -> bool:
        limit = self.config.max_seconds
        done = bool(self.search.best["feature_loss"].isfinite().all())
        return limit is not None and done and self.seconds >= limit * len(self.whole.keys)

    def step(self) -> None:
        """One step of the phase, for the images still in the batch."""
        phase, number = self.phases[self.phase], self.number
        if not self.state:
            best = {name: values[self.active] for name, values in self.search.best.items()}
            self.state = phase.begin(self.problem, best if self.phase else None)
        self.state = phase.prepare(self.problem, self.state, number)
        self.search.counts["denoiser_calls"][self.active] += phase.prepare_calls(self.problem, number)
        evaluated = self._evaluate(phase, number)
        self._note(phase, evaluated)
        good = evaluated.finite
        state = phase.update(self.problem, self.state, evaluated.gradients, evaluated.extra, number)
        if not good.all():
            state = self._repair(phase, state, evaluated, good)
        self.state, self.number, self.steps_done = state, number + 1, self.steps_done + 1
        self._leave(phase)
        if len(self.active) == 0 or self.number >= phase.num_steps:
            self._next_phase()
        if self.saved is not None and time.monotonic() - self.shown >= self.config.save_every_n_seconds:
            self.save()
            self.shown = time.monotonic()

    def _evaluate(self, phase: Phase, number: int) -> Evaluated:
        evaluated = differentiate(self.problem, phase, self.state, number, self.half)
        self._count(self.active, phase, number)
        if not self.half or evaluated.finite.all():
            return evaluated
        coupled = self.problem.coupling is not None  # frames depend on their neighbours
        again = (torch.ones_like(evaluated.finite) if coupled else ~evaluated.finite).nonzero()[:, 0]
        part = {name: values[again] for name, values in self.state.items()}
        problem = self.problem if coupled else self.problem.select(again)
        self._count(self.active[again], phase, number)
        self.search.counts["repaired"][self.active[again]] += 1
        return merge(evaluated, differentiate(problem, phase, part, number), again)

    def _count(self, rows: Tensor, phase: Phase, number: int) -> None:
        self.search.counts["target_queries"][rows] += 1
        self.search.counts["denoiser_calls"][rows] += phase.calls(self.problem, number)

    def _note(self, phase: Phase, evaluated: Evaluated) -> None:
        self.search.counts["steps"][self.active] += 1
        good = evaluated.finite
        if self.steps_done == 0 and not good.all():
            bad = [key for key, fine in zip(self.problem.keys, good.tolist(), strict=True) if not fine]
            raise ValueError(f"loss or gradient of {', '.join(bad)} is NaN or infinite at the start, in float32 too")
        kept = {name: self.state[name][good] for name in phase.variables}
        offered = {**kept, "image": evaluated.image[good]}
        self.search.offer(self.active[good], evaluated.feature_loss[good], offered, self.config.min_improvement)

    def _repair(self, phase: Phase, state: State, evaluated: Evaluated, good: Tensor) -> State:
        bad = (~good).nonzero()[:, 0]
        rows = self.active[bad]
        self.search.counts["repaired"][rows] += 1
        best = {name: values[rows] for name, values in self.search.best.items()}
        part = {name: values[bad] for name, values in self.state.items()}
        extra = {name: values[bad] for name, values in evaluated.extra.items()}
        fixed = phase.repair(self.problem.select(bad), part, best, extra, self.number)
        for name, values in fixed.items():
            state[name] = state[name].clone()
            state[name][bad] = values
        return state

    def _leave(self, phase: Phase) -> None:
        loss, stale = self.search.best["feature_loss"][self.active], self.search.stale[self.active]
        done = loss <= self.config.tolerance
        if self.config.patience is not None and not phase.patient:
            done = done | (stale >= self.config.patience)
        done = done | (self.state["rate"] < LEAST_RATE) | self._spent[self.active]
        if self.problem.coupling is not None and not done.all():
            return
        if done.any():
            keep = (~done).nonzero()[:, 0]
            self.active = self.active[keep]
            self.state = {name: values[keep] for name, values in self.state.items()}
            self.problem = self.problem.select(keep)

    @property
    def _spent(self) -> Tensor:
        """Whether each image's queries are used up, ``(B,)``."""
        queries, most = self.search.counts["target_queries"], self.config.max_queries
        return torch.zeros_like(queries, dtype=torch.bool) if most is None else queries >= most

    def _next_phase(self) -> None:
        left = ~self._spent & (self.search.best["feature_loss"] > self.config.tolerance)
        if self.whole.coupling is not None and left.any():
            left = torch.ones_like(left)
        self.number, self.state, self.active = 0, {}, left.nonzero()[:, 0]
        self.phase = self.phase + 1 if len(self.active) else len(self.phases)
        self.problem = self._part(self.active)
        self.search.next_phase()

    def _part(self, active: Tensor) -> Problem:
        return self.whole if len(active) == len(self.whole.keys) else self.whole.select(active)

    def save(self) -> None:
        """Write everything that the next step depends on."""
        if self.saved is None:
            return
        state = {f"state.{name}": values for name, values in self.state.items()}
        numbers = {"phase": self.phase, "number": self.number, "steps_done": self.steps_done, "seconds": self.seconds}
        self.saved.save({**state, **self.search.tensors(), "active": self.active}, numbers)

    def _restore(self, tensors: State, numbers: dict[str, float]) -> None:
        self.phase, self.number, self.steps_done = (int(numbers[k]) for k in ("phase", "number", "steps_done"))
        self.before = float(numbers["seconds"])
        self.active = tensors["active"]
        self.state = {k.removeprefix("state."): v for k, v in tensors.items() if k.startswith("state.")}
        self.search = SearchState.restore(tensors)
        self.problem = self._part(self.active)

    def result(self, stopped_by: int | None) -> Result:
        """What there is now, which later steps leave as it is."""
        best = {name: values.clone() for name, values in self.search.best.items()}
        images, loss = best.pop("image"), best.pop("feature_loss")
        counts = {name: values.clone() for name, values in self.search.counts.items()}
        first, limit = self.search.first_loss.clone(), self._limit
        return Result(images, loss, first, best, counts, self.seconds, stopped_by, limit)

    @property
    def _limit(self) -> str | None:
        if self.out_of_time and self.phase < len(self.phases):
            return "max_seconds"
        steps, planned = self.search.counts["steps"], sum(phase.num_steps for phase in self.phases)
        cut = (self._spent | (steps >= planned)) & (steps < sum(phase.steps_wanted for phase in self.phases))
        return "max_queries" if cut.any() else None


def _check(config: LoopConfig) -> None:
    for name in ("max_queries", "max_seconds", "patience"):
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise ValueError(f"loop.{name} is {value}; allowed: above 0, or null")
