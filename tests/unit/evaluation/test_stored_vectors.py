import pytest
import torch

from inverter.evaluation.stored_vectors import guessed_labels, score_payloads

LABELS = torch.arange(120) % 4


@pytest.fixture(scope="module")
def vectors():
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 32, generator=generator)
    return centres[LABELS] + 0.7 * torch.randn(120, 32, generator=generator)


def test_less_is_left_by_fewer_bits(vectors):
    names = ["identity", "int8:0.99:fit", "binary", "truncate:4+binary"]
    scores = list(score_payloads(vectors, names, LABELS, num_queries=64, num_bootstrap=50))
    assert [score.num_bytes for score in scores] == [128, 32, 4, 1]
    assert [score.recall.n for score in scores] == [64] * 4
    identity, int8, binary, few = scores
    assert (identity.recall.mean, identity.linked.mean) == (1, 1)
    assert identity.cosine.mean == pytest.approx(1)
    assert 0.8 < int8.recall.mean < 1
    assert int8.payload.startswith("int8:0.99:-")  # fitted to the store
    assert int8.recall.mean > binary.recall.mean > few.recall.mean
    assert binary.linked.mean > 0.9  # 32 times smaller and still found again
    assert few.linked.mean < 0.3
    assert binary.label.mean > guessed_labels(LABELS)
    for score in scores:
        assert score.recall.low <= score.recall.mean <= score.recall.high


def test_without_labels_none_are_looked_up(vectors):
    (score,) = score_payloads(vectors, ["fp16"], num_queries=1000, num_bootstrap=10)
    assert score.label is None
    assert score.recall.n == 120


def test_guessing_by_hand():
    assert guessed_labels(torch.tensor([0, 1])) == 0
    assert guessed_labels(torch.tensor([0, 0, 0])) == 1
    assert guessed_labels(torch.tensor([0, 0, 1])) == pytest.approx(2 / 3 * (1 - 0.5**5))


def test_what_is_not_allowed(vectors):
    for payload, message in (
        ("int4", "payload='int4' is unknown"),
        ("truncate:32", "have 32 channels; allowed: more than 32"),
        ("minmax:8:channel", "a vector has one number a channel"),
    ):
        with pytest.raises(ValueError, match=message):
            next(score_payloads(vectors, [payload]))
    with pytest.raises(ValueError, match="queries is 0; allowed: 1 or more"):
        next(score_payloads(vectors, ["int8"], num_queries=0))
    with pytest.raises(ValueError, match="one number is always the largest"):
        next(score_payloads(vectors[:, :1], ["topk:0.5"]))
    with pytest.raises(ValueError, match="rows are 5; allowed with labels: 6 or more"):
        next(score_payloads(vectors[:5], ["int8"], LABELS[:5], k=2))


def test_a_vector_that_is_there_twice_is_linked_by_either_row():
    vectors = torch.randn(20, 8, generator=torch.Generator().manual_seed(0)).repeat(2, 1)
    (score,) = score_payloads(vectors, ["identity"], k=3)
    assert score.linked.mean == 1
