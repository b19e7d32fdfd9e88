import pytest
import torch

from inverter.whitebox.adam import adam_direction, begin_adam, decayed


def test_it_equals_torch_for_each_image():
    start, gradients = torch.randn(3, 2, 4), torch.randn(5, 3, 2, 4)
    parameters = [row.clone().requires_grad_() for row in start]
    optimizer = torch.optim.Adam(parameters, lr=0.1)
    state = begin_adam({"x": start}, "x")
    for gradient in gradients:
        for parameter, row in zip(parameters, gradient, strict=True):
            parameter.grad = row.clone()
        optimizer.step()
        direction, state = adam_direction(state, "x", gradient)
        state["x"] = state["x"] - 0.1 * direction
    torch.testing.assert_close(state["x"], torch.stack([p.detach() for p in parameters]))


def test_an_image_that_starts_over_has_a_step_count_of_its_own():
    state = begin_adam({"x": torch.zeros(2, 1)}, "x")
    _, state = adam_direction(state, "x", torch.ones(2, 1))
    for part in "mvt":
        state[f"x.{part}"][1] = 0
    direction, _ = adam_direction(state, "x", torch.tensor([[1.0], [5.0]]))
    torch.testing.assert_close(direction, torch.ones(2, 1))  # a first step has length 1, whatever the gradient


def test_the_rate_falls_by_half_at_half_time():
    assert decayed(0.2, "lr_decay", "cosine", 0, 10) == 0.2
    assert decayed(0.2, "lr_decay", "cosine", 5, 10) == pytest.approx(0.1)
    assert decayed(0.2, "lr_decay", "constant", 9, 10) == 0.2
