import pytest
import torch

from inverter.losses.temporal import pair_weights, smoothing

FRAMES = torch.tensor([[0.0, 0.0], [1.0, 3.0], [1.0, 3.0]])


def test_smoothing_by_hand():
    assert smoothing(FRAMES, torch.ones(3)).tolist() == [0.0, 5.0, 0.0]
    assert smoothing(FRAMES, torch.tensor([1.0, 0.5, 1.0]), before=torch.tensor([2.0, 0.0])).tolist() == [2.0, 2.5, 0.0]


def test_a_clip_that_does_not_change_is_smooth():
    assert smoothing(torch.full((4, 2, 3, 5), 0.7), torch.ones(4)).tolist() == [0.0] * 4


def test_a_cut_loses_its_weight_and_nothing_else_does():
    distances = torch.tensor([1.0, 1.2, 0.8, 3.1, 1.0])
    weights = pair_weights(distances, 2.0)
    assert weights[3] < 1e-5
    assert weights[[0, 1, 2, 4]].min() > 0.8
    torch.testing.assert_close(weights[0], torch.tensor(1 / 64).neg().exp())
    assert pair_weights(distances, None).tolist() == [1.0] * 5
    assert pair_weights(torch.zeros(3), 3.0).tolist() == [1.0] * 3
    assert pair_weights(torch.tensor([0.0, 0.0, 2.0]), 3.0).tolist() == [1.0, 1.0, 0.0]  # a cut between stills
    assert len(pair_weights(torch.zeros(0), 3.0)) == 0


def test_the_gradient_pulls_both_frames_of_a_pair():
    frames = FRAMES.clone().requires_grad_()
    smoothing(frames, torch.ones(3)).sum().backward()
    torch.testing.assert_close(frames.grad, torch.tensor([[-1.0, -3.0], [1.0, 3.0], [0.0, 0.0]]))
    before = torch.zeros(2, requires_grad=True)
    smoothing(FRAMES, torch.ones(3).requires_grad_(), before=before).sum().backward()
    assert before.grad is not None
    assert pytest.approx(0) == float(before.grad.abs().sum())


def test_frames_that_stand_still_are_no_cuts():
    assert pair_weights(torch.tensor([0.0, 1e-7, 0.0]), 2.0).min() > 0.999
    on_twos = pair_weights(torch.tensor([0.0, 0.02, 1e-7, 0.03, 0.0, 0.02, 0.0, 0.3]), 2.0)
    assert on_twos[:7].min() > 0.8
    assert on_twos[7] < 1e-3
