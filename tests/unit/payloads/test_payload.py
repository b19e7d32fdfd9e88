import pytest
import torch

from inverter.payloads import make_payload
from inverter.payloads.payload import forms

EACH = [form.replace("STD", "0.1") for form in forms()]
SHAPES = [(3, 4, 5, 7), (3, 6, 8), (3, 9)]


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_equals_one_by_one_and_input_is_kept(name, shape):
    features = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    before = features.clone()
    sent = make_payload(name)(features)
    payload = make_payload(name)
    assert torch.equal(sent, torch.cat([payload(one[None]) for one in features]))
    assert torch.equal(features, before)
    assert sent.dtype == features.dtype


@pytest.mark.parametrize("name", EACH)
def test_gradient_passes_unchanged(name):
    features = torch.randn(2, 3, 4, 4, requires_grad=True)
    weight = torch.randn(2, 3, 4, 4)
    (make_payload(name)(features) * weight).sum().backward()
    assert torch.equal(features.grad, weight)


def test_int8_by_hand():
    sent = make_payload("int8")(torch.tensor([[127.0, -127.0, 0.4, 0.6, -63.51], [0.0] * 5]))
    assert torch.equal(sent, torch.tensor([[127.0, -127.0, 0.0, 1.0, -64.0], [0.0] * 5]))


def test_int8_has_at_most_255_values_within_half_a_step():
    features = torch.randn(1, 8, 32, 32)
    sent = make_payload("int8")(features)
    step = features.abs().max() / 127
    assert sent.unique().numel() <= 255
    assert (sent - features).abs().max() <= step / 2 * 1.001
    torch.testing.assert_close(make_payload("int8")(sent), sent)


def test_gaussian_is_relative_seeded_and_fresh():
    features = 40 * torch.randn(2, 16, 32, 32) + 7
    payload = make_payload("gaussian:0.1", seed=3)
    state = torch.random.get_rng_state()
    first, second = payload(features), payload(features)
    assert torch.equal(torch.random.get_rng_state(), state)
    noise = first - features
    torch.testing.assert_close(noise.std(), 0.1 * features.std(), rtol=0.03, atol=0)
    assert abs(torch.corrcoef(torch.stack([noise[0].flatten(), noise[1].flatten()]))[0, 1]) < 0.05
    assert not torch.equal(first, second)
    assert torch.equal(first, make_payload("gaussian:0.1", seed=3)(features))
    assert not torch.equal(first, make_payload("gaussian:0.1", seed=4)(features))


@pytest.mark.parametrize("name", ["int4", "", "int8:3", "gaussian"])
def test_unknown_payload_lists_the_allowed(name):
    with pytest.raises(ValueError, match="allowed are gaussian:STD, identity, int8"):
        make_payload(name)


@pytest.mark.parametrize(
    "name", ["gaussian:", "gaussian:x", "gaussian:-1", "gaussian:0", "gaussian:nan", "gaussian:inf"]
)
def test_gaussian_needs_a_positive_number(name):
    with pytest.raises(ValueError, match="STD must be positive and finite"):
        make_payload(name)
