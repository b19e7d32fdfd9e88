import re

import pytest
import torch

from inverter.payloads import PAYLOADS, Sent, make_payload, same_payload
from inverter.payloads.payload import find_payload, forms, split_chain

EACH = [
    *("identity", "fp16", "bf16", "int8", "minmax:5", "minmax:9:-1:1", "topk:0.2", "zlib", "mosaic-jpeg:60"),
    *(
        "mosaic-webp:60",
        "gaussian:0.1",
        "laplace:0.1",
        "dropout:0.3",
        "packets:0.3",
        "private:50",
        "clip:0.5",
        "rotate",
    ),
    *(
        "normalise",
        "truncate:2",
        "binary",
        "mosaic-video:30",
        "mosaic-video:30:hevc",
        "int8:0.9:-1:1",
        "truncate:2+normalise+binary",
    ),
    *("topk:0.3+int8", "minmax:8+mosaic-jpeg:42", "gaussian:0.1+laplace:0.1+fp16+zlib", "minmax:4+packets:0.2"),
]
SHAPES = [(3, 4, 5, 7), (3, 6, 8), (3, 9, 5), (3, 9)]
STRAIGHT = [name for name in EACH if not re.search("dropout|packets|private|clip|rotate|normalise|truncate", name)]


def test_each_payload_is_tried_here():
    tried = {name.partition(":")[0] for names in EACH for name in split_chain(names)}
    assert tried == set(PAYLOADS.names()) - {"pq", "zstd"}  # of one shape: test_pq.py; an extra: test_zstd.py


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_equals_one_by_one_and_input_is_kept(name, shape):
    features = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    before = features.clone()
    sent = make_payload(name).send(features)
    payload = make_payload(name)
    assert torch.equal(sent.features, torch.cat([payload(one[None]) for one in features]))
    assert torch.equal(features, before)
    assert sent.features.dtype == features.dtype
    assert sent.features.shape == features.shape
    assert len(sent.num_bytes()) == 3
    assert payload.name == make_payload(payload.name).name == name


@pytest.mark.parametrize("name", ["clip:0.5", "clip:0.5+minmax:8"])
def test_batch_equals_one_by_one_where_sums_are_long(name):
    features, threads = (
        torch.randn(4, 16, 112, 112, generator=torch.Generator().manual_seed(0)),
        torch.get_num_threads(),
    )
    payload = make_payload(name)
    torch.set_num_threads(2)  # which share the sum of one picture, but not those of several
    try:
        assert torch.equal(make_payload(name)(features), torch.cat([payload(one[None]) for one in features]))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", EACH)
def test_noise_begins_anew_with_its_seed(name):
    features = torch.randn(2, 3, 4, 4)
    payload = make_payload(name, seed=5)
    payload.restart(7)
    first = payload(features)
    payload.restart(7)
    assert torch.equal(payload(features), first)
    payload.restart(8)
    assert torch.equal(payload(features), first) != payload.draws


@pytest.mark.parametrize("name", STRAIGHT)
def test_gradient_passes_unchanged(name):
    features = torch.randn(2, 3, 4, 4, requires_grad=True)
    weight = torch.randn(2, 3, 4, 4)
    (make_payload(name)(features) * weight).sum().backward()
    assert torch.equal(features.grad, weight)


@pytest.mark.parametrize("name", sorted(set(EACH) - set(STRAIGHT)))
def test_others_pass_a_gradient_of_their_own(name):
    features = torch.randn(2, 3, 4, 4, requires_grad=True)
    make_payload(name)(features).square().sum().backward()
    assert features.grad.isfinite().all()
    assert features.grad.norm() > 0


@pytest.mark.parametrize("name", [name for name in EACH if name != "identity"])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_refused_where_it_is_sent_and_stays_so_elsewhere(name, wrong):
    features = torch.randn(2, 3, 4, 4)
    features[1, 2, 1, 1] = wrong
    with pytest.raises(ValueError, match=f"payload={re.escape(name)}: NaN or infinity in features"):
        make_payload(name).send(features)
    arrived = make_payload(re.sub("dropout|packets", "gaussian", name))(features)
    assert arrived[0].isfinite().all()
    assert not arrived[1].isfinite().all()


def test_bytes_are_four_a_number_where_nothing_codes():
    features = torch.randn(2, 3, 4, 4)
    assert Sent(features).codes()[1] == features[1].numpy().tobytes()
    for name in ("identity", "gaussian:0.1", "rotate", "dropout:0.5", "packets:0.5", "clip:1", "mosaic-jpeg:5+clip:1"):
        assert make_payload(name).send(features).num_bytes() == [192, 192]


def test_what_the_attacker_can_do_too():
    for name, known in {
        "identity": "identity",
        "int8": "int8",
        "topk:0.1+gaussian:0.1+int8": "topk:0.1+int8",
        "private:3:0.5": "clip:0.5",
        "rotate": "identity",
        "laplace:1+dropout:0.5": "identity",
    }.items():
        assert make_payload(name).known == known
        assert not make_payload(make_payload(name).known).draws
    assert make_payload("topk:0.1+int8").knows.startswith("topk:0.1: all of it; int8: ")


def test_a_chain_is_a_sequence_or_joined():
    assert make_payload(["topk:0.1", "int8"]).name == make_payload("topk:0.1+int8").name == "topk:0.1+int8"
    assert split_chain("gaussian:1e+06+int8") == ["gaussian:1e+06", "int8"]
    assert make_payload("gaussian:1e6").name == "gaussian:1e+06"


def test_each_noise_of_a_chain_is_its_own():
    features = torch.zeros(1, 4096) + torch.tensor([1.0, -1.0]).repeat(2048)
    twice = make_payload("gaussian:0.1+gaussian:0.1")(features) - features
    torch.testing.assert_close(twice.std(), torch.tensor(0.1 * 2**0.5), rtol=0.05, atol=0)


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ("identity+int8", "identity changes nothing; allowed: alone"),
        ("zlib+int8", "int8 after zlib; allowed: zlib last"),
        ("packets:0.1+zlib", "zlib after packets:0.1; allowed: packets:0.1 last"),
        ("mosaic-jpeg:9+packets:0.1", "packets:0.1 after mosaic-jpeg:9, which codes all channels together"),
        ("zlib+packets:0.1", "allowed: zlib last"),
        ("int8+", "payload='' is unknown"),
    ],
)
def test_a_chain_that_cannot_work(chain, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_payload(chain)


def test_a_codec_behind_noise_works_on_what_the_noise_made():
    features = torch.rand(1, 4, 8, 8)
    payload = make_payload("minmax:8:0:1+gaussian:9+mosaic-jpeg:90")
    sent = payload.send(features)
    assert sent.features.min() < -1
    assert sent.num_bytes()[0] < 4 * 256


def test_no_payload_at_all_is_refused():
    with pytest.raises(ValueError, match="payload is empty; allowed are bf16, "):
        make_payload([])


@pytest.mark.parametrize("name", ["int4", "", "jpeg:3"])
def test_unknown_payload_lists_the_allowed(name):
    with pytest.raises(ValueError, match=re.escape(f"payload={name!r} is unknown; allowed are {', '.join(forms())}")):
        make_payload(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "identity:1",
            "fp16:1",
            "bf16:",
            "int8:3",
            "int8:0.99",
            "int8:0.3:fit",
            "int8:0.9:1:0",
            "normalise:1",
            "zlib:9",
            "rotate:1",
        ),
        *("minmax", "minmax:0", "minmax:17", "minmax:8.5", "minmax:8:rows", "minmax:8:1:1", "minmax:8:2:1"),
        *("minmax:8:nan:1", "minmax:8:0:inf", "minmax:8:1:2:3", "topk", "topk:0", "topk:1", "topk:x"),
        *("dropout", "dropout:0", "dropout:1", "packets", "packets:0.6", "packets:0.1:0.5", "packets:0.1:2:3"),
        *("laplace", "laplace:0", "laplace:inf", "clip", "clip:-1", "private", "private:0", "private:1:0"),
        *(
            "private:1:1:1",
            "private:nan",
            "mosaic-jpeg",
            "mosaic-video:0",
            "mosaic-video:52",
            "mosaic-jpeg:0",
            "mosaic-jpeg:101",
            "mosaic-webp:1.5",
        ),
        *("truncate", "truncate:0", "truncate:1.5", "binary:1", "pq", "pq:8", "pq:0x8:fit", "pq:8x13:fit", "pq:8x8"),
        *("pq:8x8:zz", "pq:8x8:none.safetensors"),
        *("gaussian:", "gaussian:x", "gaussian:-1", "gaussian:0", "gaussian:nan", "gaussian:inf", "gaussian"),
        *("gaussian:1e39", "laplace:1e39", "minmax:8:-2e38:2e38"),
    ],
)
def test_an_argument_that_is_not_allowed_names_the_form(name):
    with pytest.raises(ValueError, match=rf"payload='{re.escape(name)}': .*; allowed: {name.partition(':')[0]}"):
        make_payload(name)


@pytest.mark.parametrize(
    ("given", "noted", "same"),
    [
        ("int8", "int8", True),
        ("gaussian:0.10", "gaussian:0.1", True),
        ("int8", "identity", False),
        ("minmax:8:fit", "minmax:8:-1:2.5", True),
        ("minmax:8:fit", "minmax:7:-1:2.5", False),
        ("minmax:8:fit", "minmax:8", False),
        ("int8:0.99:fit", "int8:0.99:-1:2", True),
        ("int8:0.99:fit", "int8:0.9:-1:2", False),
        ("pq:8x8:fit", "pq:8x8:0123456789abcdef", True),
        ("pq:8x8:fit", "pq:8x4:0123456789abcdef", False),
        ("topk:0.1+minmax:8:fit+zlib", "topk:0.1+minmax:8:-1:2+zlib", True),
        ("topk:0.1+minmax:8:fit", "minmax:8:-1:2", False),
        ("minmax:8:fit", "minmax:8:nan:evil<b>", False),
        ("minmax:8:fit", "minmax:8:6:0", False),
        ("int8", "ours-v1", False),
    ],
)
def test_what_is_given_may_leave_a_range_to_the_spec(given, noted, same):
    assert same_payload(given, noted) is same


def test_a_chain_is_fitted_part_by_part():
    features = torch.tensor([[1.0, -9.0, 0.5, 8.0]])
    assert make_payload("minmax:1:0:1+minmax:8:fit+zlib").fitted(features) == "minmax:1:0:1+minmax:8:0:1+zlib"
    assert make_payload("minmax:8:fit+zlib").fits
    assert not make_payload("minmax:8+zlib").fits
    assert make_payload("topk:0.5+minmax:8:fit").fitted(features.abs()) == "topk:0.5+minmax:8:8:9"  # no zeros


def test_a_payload_of_the_devices_own_is_none_of_these():
    assert find_payload("ours-v1") is find_payload("int8+ours:2") is None
    assert find_payload("topk:0.1+int8").name == "topk:0.1+int8"
    with pytest.raises(ValueError, match="payload='fp16:3': it takes no argument"):
        find_payload("fp16:3")


def test_a_long_text_is_cut():
    for name in ("x" * 9999, "int8:" + "3" * 9999):
        with pytest.raises(ValueError, match=r"^payload='[^']{9,13}\.\.\.[^']{9,13}'") as caught:
            make_payload(name)
        assert len(str(caught.value)) < 999
