import builtins
from functools import partial

import numpy as np
import pytest
import torch

from inverter.payloads import codebooks, make_payload, same_payload
from inverter.payloads.codebooks import load_codebooks, read_codebooks, remember, save_codebooks

BOOKS = torch.tensor([[[0.0, 0.0], [1.0, 1.0]], [[-2.0, 0.0], [0.0, 5.0]]])  # two parts, two centroids each


@pytest.fixture
def name() -> str:
    return f"pq:2x1:{remember(BOOKS)}"


def test_by_hand(name):
    sent = make_payload(name).send(torch.tensor([[0.9, 0.8, -1.0, 0.5], [0.1, -3.0, 0.2, 9.0]]))
    assert sent.features.tolist() == [[1.0, 1.0, -2.0, 0.0], [0.0, 0.0, 0.0, 5.0]]
    assert sent.codes() == [bytes([0b10000000]), bytes([0b01000000])]


def test_behind_truncate_the_kept_numbers_are_coded(name):
    sent = make_payload(f"truncate:4+{name}").send(torch.tensor([[0.9, 0.8, -1.0, 0.5, 77.0]]))
    assert sent.features.tolist() == [[1.0, 1.0, -2.0, 0.0, 0.0]]
    assert sent.num_bytes() == [1]


def test_a_batch_equals_one_by_one_and_the_gradient_passes(name):
    features = torch.randn(5, 4, requires_grad=True)
    arrived = make_payload(name)(features)
    assert torch.equal(arrived, torch.cat([make_payload(name)(one[None]) for one in features]))
    weight = torch.randn(5, 4)
    (arrived * weight).sum().backward()
    assert torch.equal(features.grad, weight)


def test_what_is_not_finite_stays_so(name):
    with pytest.raises(ValueError, match="NaN or infinity in features"):
        make_payload(name).send(torch.tensor([[0.0, 1.0, torch.nan, 0.0]]))
    assert not make_payload(name)(torch.tensor([[0.0, 1.0, torch.inf, 0.0]])).isfinite().all()


def test_codebooks_are_fitted_kept_as_tensors_and_found_again(tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    centres = torch.tensor([[0.0, 0.0, 8.0, 8.0], [9.0, 9.0, 0.0, 0.0]])
    features = centres[torch.arange(40) % 2] + 0.01 * torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    fit = make_payload("pq:2x1:fit")
    name = fit.fitted(features)
    assert fit.fits and same_payload("pq:2x1:fit", name) and not same_payload("pq:2x2:fit", name)
    assert name == fit.fitted(features)  # always the same
    assert (make_payload(name)(features) - features).abs().max() < 0.1
    digest = name.rpartition(":")[2]
    save_codebooks(tmp_path, f"truncate:4+{name}")
    monkeypatch.setattr(codebooks, "_KNOWN", {})
    with pytest.raises(ValueError, match=f"payload={name}: codebooks {digest} are not at hand"):
        make_payload(name)(features)
    load_codebooks(f"normalise+{name}", lambda file: (tmp_path / file).open("rb"))
    assert (make_payload(name)(features) - features).abs().max() < 0.1
    assert make_payload(f"pq:2x1:{tmp_path / f'codebooks-{digest}.safetensors'}").name == name


def test_only_parts_that_are_fitted_ask_for_pictures():
    assert make_payload("pq:2x3:fit+minmax:8:fit").num_fit == 39 * 8
    assert make_payload("pq:2x3:0123456789abcdef+minmax:8:fit").num_fit == make_payload("minmax:8:fit").num_fit == 64


def test_more_codes_come_nearer():
    pytest.importorskip("faiss")
    features = torch.randn(600, 16, generator=torch.Generator().manual_seed(0))
    errors = []
    for size in ("2x4", "4x4", "4x8"):
        payload = make_payload(make_payload(f"pq:{size}:fit").fitted(features))
        errors.append(float((payload(features) - features).norm()))
        parts, bits = map(int, size.split("x"))
        assert payload.send(features[:1]).num_bytes() == [-(-parts * bits // 8)]
    assert errors[0] > errors[1] > errors[2]


def test_without_faiss(monkeypatch):
    def refuse(real, module, *args, **options):
        if module == "faiss":
            raise ImportError("no faiss")
        return real(module, *args, **options)

    monkeypatch.setattr(builtins, "__import__", partial(refuse, builtins.__import__))
    with pytest.raises(ValueError, match=r"needs faiss; install '.\[vectors\]'"):
        make_payload("pq:2x1:fit").fitted(torch.randn(9, 4))


def test_what_cannot_be(name, tmp_path):
    with pytest.raises(ValueError, match="payload=pq:2x1:fit has no codebooks yet"):
        make_payload("pq:2x1:fit")(torch.randn(1, 4))
    with pytest.raises(ValueError, match="5 numbers in 2 parts; allowed: M that divides them"):
        make_payload(name)(torch.randn(1, 5))
    with pytest.raises(ValueError, match=r"codebooks are \(2, 2, 2\); needed: \(2, 2, 4\)"):
        make_payload(name)(torch.randn(1, 8))
    pytest.importorskip("faiss")
    with pytest.raises(ValueError, match="has 3 vectors to fit; allowed: 4 or more, all finite"):
        make_payload("pq:2x2:fit").fitted(torch.randn(3, 4))


def test_damaged_codebooks(tmp_path):
    with pytest.raises(ValueError, match=r"codebooks x cannot be read: "):
        read_codebooks(b"\x80\x04", "x")
    digest = remember(BOOKS)
    save_codebooks(tmp_path, f"pq:2x1:{digest}")
    data = np.frombuffer((tmp_path / f"codebooks-{digest}.safetensors").read_bytes(), "uint8").copy()
    data[-1] ^= 1
    other = "0" * 16
    (tmp_path / f"codebooks-{other}.safetensors").write_bytes(data.tobytes())
    with pytest.raises(ValueError, match=f"codebooks codebooks-{other}.safetensors hold those of "):
        load_codebooks(f"pq:2x1:{other}", lambda file: (tmp_path / file).open("rb"))
