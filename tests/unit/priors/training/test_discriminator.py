import pytest
import torch

from inverter.priors.training.discriminator import PatchDiscriminator, adversarial_gradient, hinge_loss


def test_hinge_by_hand():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 1.0])
    assert hinge_loss(real, fake).item() == pytest.approx(((0 + 0.5) / 2 + (0 + 2) / 2) / 2)


@pytest.mark.parametrize("side", [8, 20])
def test_logits_are_of_patches(side):
    assert PatchDiscriminator(4)(torch.rand(3, 3, side, side)).shape == (3, 1, side // 4, side // 4)


def test_a_logit_sees_a_patch_of_20_pixels():
    images = torch.rand(1, 3, 48, 48, requires_grad=True)
    PatchDiscriminator(4)(images)[0, 0, 6, 6].backward()
    rows, columns = images.grad.abs().sum((0, 1)).nonzero().unbind(1)
    assert [int(places.max() - places.min() + 1) for places in (rows, columns)] == [20, 20]


def test_the_gradient_has_the_length_of_the_other_terms_and_spares_the_discriminator():
    discriminator = PatchDiscriminator(4)
    recon = torch.rand(2, 3, 8, 8, requires_grad=True)
    image = torch.rand(2, 3, 8, 8)
    loss = (recon - image).square().mean()
    gradient = adversarial_gradient(discriminator, recon, loss)
    expected = 2 * (recon - image).detach() / image.numel()
    assert gradient.norm().item() == pytest.approx(expected.norm().item(), rel=1e-4)
    assert not gradient.requires_grad and recon.grad is None
    assert all(parameter.grad is None for parameter in discriminator.parameters())
    discriminator.eval()
    before = discriminator(recon).mean()
    assert discriminator(recon - 1e-2 * gradient / gradient.norm()).mean() > before  # downhill is more real


def test_a_discriminator_that_sees_nothing_pushes_nowhere():
    recon = torch.rand(1, 3, 8, 8, requires_grad=True)
    assert adversarial_gradient(lambda x: x * 0, recon, recon.square().mean()).abs().max() == 0
