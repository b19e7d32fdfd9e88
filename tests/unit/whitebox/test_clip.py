"""Windows, warm starts, and what smoothing does at a cut."""

import signal
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from inverter.config import LoopConfig, SmoothingConfig
from inverter.losses.temporal import pair_weights
from inverter.whitebox.attack import Attack
from inverter.whitebox.clip import frame_distances, invert_clip, windows
from inverter.whitebox.config import MethodsConfig
from inverter.whitebox.methods.direct import DirectConfig
from inverter.whitebox.methods.latent import LatentConfig
from inverter.whitebox.problem import FrameCoupling
from inverter.whitebox.saved import SavedState


@pytest.fixture
def clip(pictures: Tensor) -> Tensor:
    """Two shots of three frames each: still but for a little noise, with a cut between."""
    noise = torch.randn(6, *pictures.shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (pictures[[0, 0, 0, 1, 1, 1]] + 0.01 * noise).clamp(0, 1)


@pytest.fixture
def attack(target, smooth_prior) -> Attack:
    config = MethodsConfig(
        loop=LoopConfig(patience=None),
        latent=LatentConfig(num_steps=30, num_inference_steps=2),
        direct=DirectConfig(num_steps=60),
    )
    return Attack("direct", target, smooth_prior, config)


def test_windows_overlap_and_cover_everything():
    assert windows(5, 16, 2) == [range(5)]
    assert windows(10, 4, 1) == [range(4), range(3, 7), range(6, 10)]
    assert windows(7, 4, 0) == [range(4), range(4, 7)]
    with pytest.raises(ValueError, match=r"smoothing.overlap is 4, of smoothing.window=4; allowed: 0 to 3"):
        windows(9, 4, 4)


def test_a_cut_stands_out_among_the_distances(clip, target):
    with torch.no_grad():
        features = {"1": target(clip)["1"]}
    distances = frame_distances(features)
    assert distances.shape == (5,)
    assert distances.argmax() == 2
    weights = pair_weights(distances, 2.0)
    assert weights[2] < 1e-6
    assert weights[[0, 1, 3, 4]].min() > 0.5
    assert len(frame_distances({"1": features["1"][:1]})) == 0


def errors(attack: Attack, clip: Tensor, smoothing: SmoothingConfig) -> Tensor:
    with torch.no_grad():
        features = attack.target(clip)
    keys = [f"frame-{i}" for i in range(len(clip))]
    found = invert_clip(attack, features, keys, smoothing)
    assert len(found.images) == len(clip)
    return (found.images - clip).square().flatten(1).mean(1)


def test_the_robust_form_loses_nothing_at_a_cut(attack, clip):
    """The paper's form smears a cut; the robust one finds what it finds of each shot alone."""
    paper, robust = (SmoothingConfig(weight=10.0, robust=robust, warm_start=False) for robust in (False, True))
    at_cut = slice(2, 4)
    smeared, whole = errors(attack, clip, paper)[at_cut], errors(attack, clip, robust)[at_cut]
    shots = torch.cat([errors(attack, clip[:3], paper), errors(attack, clip[3:], paper)])[at_cut]
    assert (whole < 0.5 * smeared).all()
    assert (whole < 1.25 * shots + 1e-4).all()


def test_windows_join(attack, clip):
    """The frame before a window holds it: smoothing acts across the seam too."""
    still = clip[[0, 0, 0, 0]]
    with torch.no_grad():
        features = attack.target(still)
    keys = list("abcd")
    apart = invert_clip(attack, features, keys, SmoothingConfig(weight=0.0, window=2, overlap=0, warm_start=False))
    joined = invert_clip(attack, features, keys, SmoothingConfig(weight=300.0, window=2, overlap=0, warm_start=False))
    seam = [float((x.images[2] - x.images[1]).abs().mean()) for x in (apart, joined)]
    assert seam[1] < 0.7 * seam[0]
    assert joined.counts["target_queries"].tolist() == [60] * 4
    overlapping = invert_clip(attack, features, keys, SmoothingConfig(weight=1.0, window=3, overlap=1))
    assert overlapping.counts["target_queries"].tolist() == [60, 60, 120, 60]


def test_frames_start_where_the_one_before_does_unless_a_cut_lies_between():
    own = torch.arange(5.0)[:, None]
    weights = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    coupling = FrameCoupling(1.0, weights)
    assert coupling.start(own)[:, 0].tolist() == [0, 0, 0, 3, 3]
    assert replace(coupling, warm_start=False).start(own)[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert replace(coupling, known=torch.tensor([[7.0], [8.0]])).start(own)[:, 0].tolist() == [7, 8, 8, 3, 3]
    assert coupling.start(own, follow=False)[:, 0].tolist() == [0, 1, 2, 3, 4]
    second = replace(coupling, before=torch.tensor([9.0]))
    assert second.start(own)[:, 0].tolist() == [0, 0, 0, 3, 3]  # a cut lies between the windows
    second = replace(second, pair_weights=torch.ones(5))
    assert second.start(own)[:, 0].tolist() == [9, 9, 9, 9, 9]
    assert second.start(own, follow=False)[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_windows_that_share_nothing_know_nothing(attack, clip, monkeypatch):
    """Without an overlap no frame of a window was inverted before, so that ``hybrid`` draws all of them."""
    couplings = []
    invert = Attack.invert

    def noted(*given, coupling, **named):
        couplings.append(coupling)
        return invert(*given, coupling=coupling, **named)

    monkeypatch.setattr(Attack, "invert", noted)
    with torch.no_grad():
        features = attack.target(clip[[0, 0, 0, 0]])
    for overlap, known in ((0, [None, None]), (1, [None, 1, 1])):
        couplings.clear()
        invert_clip(attack, features, list("abcd"), SmoothingConfig(weight=1.0, window=2, overlap=overlap))
        assert [None if coupling.known is None else len(coupling.known) for coupling in couplings] == known


def test_a_clip_that_was_stopped_goes_on_from_its_window(attack, clip, tmp_path):
    """Windows that are done are read from their states, and the result is the one of an uninterrupted run."""
    with torch.no_grad():
        features = attack.target(clip[:4])
    smoothing = SmoothingConfig(weight=1.0, window=2, overlap=1)

    def run(folder, show=None):
        def saved(frames):
            return SavedState(tmp_path / folder / f"{frames.start}.safetensors", f"clip/{frames}")

        return invert_clip(attack, features, list("abcd"), smoothing, saved=saved, show=show)

    whole, steps = run("whole"), []

    def interrupt(done, loss):
        steps.append(done)
        if len(steps) == 70:  # in the second window
            signal.raise_signal(signal.SIGTERM)

    stopped = run("stopped", interrupt)
    assert stopped.stopped_by == signal.SIGTERM and len(stopped.images) == 3
    again = run("stopped", lambda done, loss: steps.append(done))
    assert len(steps) == 3 * 60
    torch.testing.assert_close(again.images, whole.images, rtol=0, atol=0)
    assert torch.equal(again.counts["target_queries"], whole.counts["target_queries"])


def test_latents_are_smoothed(attack, clip):
    attack = replace(attack, method="latent")
    with torch.no_grad():
        features = attack.target(clip[:3])
    found = [
        invert_clip(attack, features, list("abc"), SmoothingConfig(weight=weight, warm_start=False)).best["latents"]
        for weight in (0.0, 100.0)
    ]
    assert found[1].diff(dim=0).abs().mean() < 0.5 * found[0].diff(dim=0).abs().mean()


@pytest.mark.parametrize(
    ("method", "smoothing", "message"),
    [
        ("direct", {"weight": -1.0}, r"smoothing.weight is -1.0"),
        ("guided", {"weight": 1.0}, r"smoothing.weight is 1.0 with method=guided"),
    ],
)
def test_values_that_are_not_allowed(attack, clip, method, smoothing, message):
    with torch.no_grad():
        features = attack.target(clip[:2])
    with pytest.raises(ValueError, match=message):
        invert_clip(replace(attack, method=method), features, ["a", "b"], SmoothingConfig(**smoothing))


def losses(attack: Attack, clip: Tensor, keys: list[str], smoothing: SmoothingConfig) -> Tensor:
    with torch.no_grad():
        features = attack.target(clip)
    return invert_clip(attack, features, keys, smoothing).feature_loss


@pytest.mark.parametrize("method", ["direct", "latent", "hybrid"])
@pytest.mark.parametrize("speed", [0.005, 0.02])
def test_neither_side_of_a_cut_is_worse_than_its_shot_alone(attack, pictures, method, speed):
    """Two shots cut together, the second moving faster: with the robust form each is found as if it stood alone."""
    noise = torch.randn(8, *pictures.shape[1:], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    step = torch.tensor([speed / 2] * 4 + [speed] * 4, dtype=torch.float64)[:, None, None, None]
    joined = (pictures[[0, 0, 0, 0, 1, 1, 1, 1]] + step * noise).clamp(0, 1)
    attack = replace(attack, method=method)
    robust = SmoothingConfig(weight=1.0, robust=True)
    keys = [f"frame-{i}" for i in range(8)]  # which decide the noise that a frame starts from
    whole = losses(attack, joined, keys, robust)
    for side in (slice(0, 4), slice(4, 8)):
        alone = losses(attack, joined[side], keys[side], robust)
        assert whole[side].mean() <= 1.01 * alone.mean()
