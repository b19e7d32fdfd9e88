"""A clip inverted jointly: windows of consecutive frames that overlap, smoothed within and across."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from inverter.config import SmoothingConfig
from inverter.losses.feature import feature_cosine
from inverter.losses.temporal import pair_weights
from inverter.whitebox.attack import Attack
from inverter.whitebox.goal import by_part
from inverter.whitebox.loop import Result, Show
from inverter.whitebox.problem import FrameCoupling
from inverter.whitebox.saved import SavedState


def windows(num_frames: int, window: int, overlap: int) -> list[range]:
    """Frames of each window; every one but the first begins ``overlap`` frames before the end of the one before.

    Raises:
        ValueError: A window that does not reach beyond its overlap.
    """
    if not 0 <= overlap < window:
        raise ValueError(f"smoothing.overlap is {overlap}, of smoothing.window={window}; allowed: 0 to {window - 1}")
    frames = [range(min(window, num_frames))]
    while frames[-1].stop < num_frames:
        start = frames[-1].stop - overlap
        frames.append(range(start, min(start + window, num_frames)))
    return frames


def frame_distances(features: Mapping[str, Tensor]) -> Tensor:
    """Distance ``(T - 1,)`` of each frame's features from those of the frame before: 1 - cosine, mean over layers.

    Whatever the attack minimises, a cut is found by the cosine: neither frame is the measure of the other, and two
    shots whose features differ in size are no nearer to each other one way than the other way round.
    """
    if not len(next(iter(features.values()))) - 1:
        return torch.zeros(0)
    return (
        torch.stack([1 - feature_cosine(values[1:], values[:-1]) for values in features.values()]).mean(0).clamp(min=0)
    )


def invert_clip(
    attack: Attack,
    features: Mapping[str, Tensor],
    keys: Sequence[str],
    smoothing: SmoothingConfig,
    *,
    prompts: Sequence[str | None] | None = None,
    saved: Callable[[range], SavedState | None] | None = None,
    show: Show | None = None,
) -> Result:
    """Invert the frames of one clip, window by window.

    A frame in an overlap starts where the window before left it and is found anew, now with neighbours on both sides;
    the frame before the overlap is held fixed, so that windows join smoothly.

    Args:
        attack: Of any method but ``guided``, whose latents are noisy while it runs.
        features: By layer, ``(T, *tensor_shape)``.
        keys: Of the T frames.
        smoothing: Weight, form, windows.
        prompts: One a frame, as for :meth:`Attack.invert`.
        saved: State of a window, given its frames.
        show: Progress of each window.
    Returns:
        T rows; frames of windows that a signal kept from beginning are absent.
    Raises:
        ValueError: A value that is not allowed; more as :meth:`Attack.invert`.
    """
    _check(attack, smoothing)
    distances = frame_distances(by_part(attack.target, features))
    pairs = pair_weights(distances, smoothing.robust_scale if smoothing.robust else None)
    weights = torch.cat([pairs.new_zeros(1), pairs])
    smoothed = attack.phases()[0].smoothed
    parts: list[Result] = []  # at most one: all frames so far
    for frames in windows(len(keys), smoothing.window, smoothing.overlap):
        done = _values(parts[0], smoothed) if parts else None
        coupling = FrameCoupling(
            smoothing.weight,
            weights[frames.start : frames.stop],
            before=done[frames.start - 1] if done is not None and frames.start else None,
            known=done[frames.start :] if done is not None and frames.start < len(done) else None,
            warm_start=smoothing.warm_start,
        )
        part = attack.invert(
            {layer: values[frames.start : frames.stop] for layer, values in features.items()},
            keys[frames.start : frames.stop],
            prompts=None if prompts is None else prompts[frames.start : frames.stop],
            coupling=coupling,
            saved=None if saved is None else saved(frames),
            show=show,
        )
        parts = [_join(parts[0], part, frames) if parts else part]
        if part.stopped_by is not None:
            break
    return parts[0]


def _values(result: Result, smoothed: str | None) -> Tensor | None:
    return None if smoothed is None else result.images if smoothed == "image" else result.best[smoothed]


def _join(one: Result, other: Result, frames: range) -> Result:
    """Results of all frames so far; overlapping ones are the later window's, their costs are added."""
    start, shared = frames.start, len(one.images) - frames.start

    def join(before: Tensor, after: Tensor) -> Tensor:
        return torch.cat([before[:start], after])

    def add(before: Tensor, after: Tensor) -> Tensor:
        return torch.cat([before[:start], before[start:] + after[:shared], after[shared:]])

    return Result(
        join(one.images, other.images),
        join(one.feature_loss, other.feature_loss),
        torch.cat([one.first_loss, other.first_loss[shared:]]),
        {name: join(values, other.best[name]) for name, values in one.best.items()},
        {name: add(values, other.counts[name]) for name, values in one.counts.items()},
        one.seconds + other.seconds,
        other.stopped_by,
        one.limit or other.limit,
    )


def _check(attack: Attack, smoothing: SmoothingConfig) -> None:
    if smoothing.weight < 0 or smoothing.robust_scale <= 0:
        raise ValueError(
            f"smoothing.weight is {smoothing.weight}, smoothing.robust_scale {smoothing.robust_scale}; allowed: 0 or "
            "more, and above 0"
        )
    if smoothing.weight and attack.phases()[0].smoothed is None:
        raise ValueError(
            f"smoothing.weight is {smoothing.weight} with method={attack.method}, which smooths nothing; allowed: 0"
        )
