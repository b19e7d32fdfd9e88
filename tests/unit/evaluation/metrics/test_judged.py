import pytest
import torch

from inverter.evaluation.intervals import Bootstrap
from inverter.evaluation.judges import Reidentification, Verdict
from inverter.evaluation.metrics import METRICS, Judged, Missing

EMBEDDINGS = torch.randn(3, 2)


def verdict(*labels: int) -> Verdict:
    return Verdict(torch.eye(3)[list(labels)], EMBEDDINGS)


def test_agreement_and_what_guessing_gets():
    judged = Judged(verdict(0, 1, 2), verdict(0, 1, 1), ["a", "a", "b"])
    agreement = METRICS["agreement"]
    assert agreement.measure(judged).tolist() == [1, 1, 0]
    assert agreement.chance(judged) == pytest.approx((1 + 1 + 0.5) / 3)  # b's one class, and one of a's two
    assert agreement.chance(Judged(verdict(0, 1, 2), verdict(0, 1, 1), ["a", "a", "a"])) is None


def test_guessing_names_the_commonest_class():
    labels = [0] * 7 + [1] * 2 + [2]
    judged = Judged(verdict(*labels), verdict(*labels), [str(number) for number in range(10)])
    assert METRICS["agreement"].chance(judged) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("name", "values", "chance"),
    [
        ("reid_top1", [1, 0], [1 / 3, 1 / 3]),
        ("reid_mrr", [1, 0.5], [11 / 18, 11 / 18]),
        ("reid_rank", [1, 2], [2, 2]),
    ],
)
def test_ranks_among_three(name, values, chance):
    found = Reidentification(torch.tensor([1, 2]), torch.tensor([3, 3]))
    assert METRICS[name].measure(found).tolist() == values
    assert METRICS[name].chance(found).tolist() == pytest.approx(chance)


def test_metrics_of_the_whole_sample_say_what_they_lack():
    judged = Judged(verdict(0, 1, 2), verdict(0, 1, 2), ["a", "a", "a"])
    found = {name: METRICS[name].measure(judged, Bootstrap(3, judged.groups)) for name in ("kid", "is", "fid")}
    assert found == {
        "kid": Missing("kid", "needs images from two sources"),
        "is": Missing("is", "needs 1000 images, got 3"),
        "fid": Missing("fid", "needs 5000 against 5000 images, got 3 against 3"),
    }
