import pytest
import torch

from inverter.losses import gradient_distance, image_distance, multi_scale_distance, total_variation


def test_total_variation_by_hand() -> None:
    images = torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]]])  # across: 1 + 3, down: 0 + 2, over 4 pixels
    assert total_variation(images).tolist() == [1.5]
    assert total_variation(torch.full((3, 3, 5, 7), 0.3)).tolist() == [0.0] * 3


@pytest.mark.parametrize("side", [1, 2, 7])
def test_distance_to_itself_is_zero_and_gradient_finite(side: int) -> None:
    image = torch.rand(3, 3, side, 9)
    recon = image.clone().requires_grad_()
    loss = multi_scale_distance(recon, image)
    torch.testing.assert_close(loss, torch.zeros(3), atol=1e-6, rtol=0)
    loss.sum().backward()
    assert recon.grad is not None and torch.isfinite(recon.grad).all()


def test_constant_offset_is_the_same_at_every_scale_and_has_no_gradient() -> None:
    image = torch.rand(2, 3, 5, 9)
    torch.testing.assert_close(multi_scale_distance(image + 0.25, image), torch.full((2,), 0.25))
    torch.testing.assert_close(image_distance(image + 0.25, image, "mse"), torch.full((2,), 0.0625))
    torch.testing.assert_close(gradient_distance(image + 0.25, image), torch.zeros(2), atol=1e-6, rtol=0)


def test_autograd_agrees_with_finite_differences() -> None:
    image, recon = torch.rand(1, 1, 3, 4).double(), torch.rand(1, 1, 3, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: multi_scale_distance(x, image), (recon,), eps=1e-7)


def test_batch_of_two_equals_two_of_one_and_inputs_stay() -> None:
    recon, image = torch.rand(2, 3, 8, 6), torch.rand(2, 3, 8, 6)
    before = recon.clone(), image.clone()
    both = multi_scale_distance(recon, image)
    each = torch.cat([multi_scale_distance(recon[i : i + 1], image[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(both, each)
    assert torch.equal(recon, before[0]) and torch.equal(image, before[1])


def test_wrong_arguments_raise() -> None:
    image = torch.rand(1, 3, 4, 4)
    with pytest.raises(ValueError, match=r"allowed: l1, mse$"):
        image_distance(image, image, "l3")
    with pytest.raises(ValueError, match="one shape"):
        multi_scale_distance(image, image[:, :1])
    with pytest.raises(ValueError, match="one shape"):
        gradient_distance(image, image[:, :1])
