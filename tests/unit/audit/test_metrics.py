import pytest

from inverter.audit.metrics import headline, read_per_image
from inverter.evaluation.metrics import Missing

VALUES = {
    "original": {"psnr": [60.0] * 4, "agreement/a": [1.0] * 4},
    "mean": {"psnr": [20.0] * 4, "agreement/a": [0.0] * 4, "kid/a": [0.0] * 4, "feature_cosine": [1.0] * 4},
    "sample": {"psnr": [18.0] * 4, "agreement/a": [0.0, 0.0, 0.0, 1.0]},
    "nearest training image": {"psnr": [8.0] * 4, "agreement/a": [1.0, 0.0, 0.0, 1.0]},
    "mean image": {"psnr": [10.0] * 4, "agreement/a": [0.0] * 4},
    "round trip": {"psnr": [30.0] * 4, "agreement/a": [1.0, 1.0, 1.0, 1.0]},
}


def test_retrieval_is_an_attack_and_guessing_a_floor(make_results, scored):
    results = make_results(VALUES, {"agreement/a": 0.1})
    scores = scored(results)
    assert list(scores) == ["agreement/a", "psnr"]  # distributions and the target's own view get no score
    assert scores["psnr"].raw == pytest.approx(0.5)
    assert (scores["psnr"].attack, scores["psnr"].floor) == ("mean", "mean image")
    agreement = scores["agreement/a"]
    assert (agreement.attack, agreement.floor) == ("nearest training image", "chance")
    assert agreement.raw == pytest.approx((0.5 - 0.1) / (1 - 0.1))
    assert agreement.by_attack["sample"] == pytest.approx((0.25 - 0.1) / 0.9)


def test_an_ablation_is_no_attack_here_as_in_the_evaluation_s_own_report(make_results, scored):
    ablated = {name: [value + 1 for value in values] for name, values in VALUES["mean"].items()}
    results = make_results({**VALUES, "mean without head": ablated}, {"agreement/a": 0.1})
    assert scored(results) == scored(make_results(VALUES, {"agreement/a": 0.1}))
    assert [row.name for row in results.attacks()] == ["mean", "sample", "nearest training image"]


def test_no_attack_or_no_ceiling(make_results, scored):
    only_floors = {name: VALUES[name] for name in ("mean image", "round trip")}
    scores = scored(make_results(only_floors))
    assert scores["psnr"] == Missing("psnr", "needs an attack and a floor")
    with pytest.raises(ValueError, match="'round trip' was not evaluated"):
        scored(make_results({"mean": VALUES["mean"]}))


def test_headline_is_the_judge_who_sees_most(make_score):
    low, high = make_score(0.2), make_score(0.9)
    layers = [{"reid_mrr/a": low, "reid_mrr/b": low, "psnr": high}, {"reid_mrr/a": low, "reid_mrr/b": high}]
    assert headline(layers, "reid_mrr") == "reid_mrr/b"
    assert headline(layers, "reid_mrr/a") == "reid_mrr/a"
    assert headline(layers, "psnr") == "psnr"
    assert headline([{"reid_mrr/a": Missing("reid_mrr/a", ""), "reid_mrr/b": high}], "reid_mrr") == "reid_mrr/a"
    with pytest.raises(ValueError, match="metric='lpips' was not computed; scored here: reid_mrr/a, reid_mrr/b, psnr"):
        headline(layers, "lpips")
    with pytest.raises(ValueError, match=r"metric='lpips' was not computed \(no weights\); scored here"):
        headline(layers, "lpips", {"lpips": "no weights", "fid": "few"})


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "key,group,method,psnr\n",
        "key,method,psnr\na,mean,1\n",
        "key,group,method,psnr\na,p,mean,one\n",
        "key,group,method,psnr\na,p,mean,nan\n",
        "key,group,method,psnr\na,p,mean,1\nb,p,sample,1\n",
        "key,group,method,psnr\na,p,mean,1\nb,p,mean,\n",
        "key,group,method,psnr\na,p,mean,1,2\n",
        'key,group,method,psnr\n"a,p,mean,1\n',
    ],
)
def test_damaged_tables(tmp_path, text):
    path = tmp_path / "per_image.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=r"per_image\.csv"):
        read_per_image(path)
