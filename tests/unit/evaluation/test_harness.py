import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from inverter.evaluation.floors import MeanImage, NearestTrainingImage
from inverter.evaluation.harness import ORIGINAL, _comparisons, evaluate
from inverter.evaluation.judges import Judge, draw_gallery
from inverter.evaluation.labels import verdict
from inverter.evaluation.methods import Method
from inverter.evaluation.metrics import Missing
from inverter.evaluation.notes import preferred_point
from inverter.evaluation.recon_files import save_recons
from inverter.evaluation.results import Comparison, Results
from inverter.losses.quality import psnr
from inverter.targets.target import Target


def enlarge(features: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(features, scale_factor=2.0)


def grey(features: Tensor) -> Tensor:
    return torch.full((len(features), 3, 16, 12), 0.5)


def shrink(images: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(images, 2)


METHODS = {
    "enlarge": Method(enlarge, operating_point="mean"),
    "grey": Method(grey),
    "copy": Method(lambda image: image, kind="ceiling", sees="image"),
}


@pytest.fixture
def results(batches: list, train_batches: list, judge: Judge) -> Results:
    return evaluate(
        METHODS,
        batches,
        target=shrink,
        judges=[judge],
        gallery=draw_gallery(train_batches),
        train_batches=train_batches,
        baseline="grey",
        num_bootstrap=100,
        config={"data": {"limit": None}},
        threat_model="pairs from the target",
        notes=["a note"],
    )


def test_numbers_per_image_and_their_mean(results: Results, batches: list) -> None:
    image = torch.cat([batch["image"] for batch in batches])
    expected = psnr(enlarge(torch.cat([batch["features"] for batch in batches])), image)
    assert results.per_image["enlarge"]["psnr"] == pytest.approx(expected.tolist(), abs=1e-4)
    score = results.row("enlarge").scores["psnr"]
    assert score.mean == pytest.approx(expected.mean().item(), abs=1e-4)
    assert score.low is not None and score.high is not None and score.low < score.mean < score.high
    assert (score.n, score.groups, results.num_sources) == (12, 8, 8)
    assert results.payload.ratio == 0.25
    assert results.payload.bytes is None


def test_the_original_row_is_perfect_and_equals_a_ceiling_that_copies(results: Results) -> None:
    original, copy = results.row(ORIGINAL).scores, results.row("copy").scores
    assert original["psnr"].mean == 60 and original["feature_cosine"].mean == pytest.approx(1)
    assert original["agreement/colour"].mean == 1 and original["reid_top1/colour"].mean == 1
    assert original["kid/colour"].mean == pytest.approx(0, abs=1e-9)
    for metric, score in copy.items():
        assert score.mean == pytest.approx(original[metric].mean, abs=1e-6), metric


def test_comparisons_with_the_baseline(results: Results) -> None:
    pairs = {(c.a, c.b) for c in results.comparisons}
    assert pairs == {("enlarge", "grey")}
    found = {c.metric: c for c in results.comparisons}
    assert found["psnr"].difference > 0 and found["psnr"].excludes_zero
    assert not found["psnr"].claim and verdict(found["psnr"]) == "too few sources"
    assert found["kid/colour"].network == "colour network (nothing)"


def test_every_attack_meets_every_floor_and_the_baseline(batches: list) -> None:
    methods = METHODS | {name: Method(grey, kind="floor") for name in ("mean image", "unconditional sample")}
    against_floors = {(a, b) for a in ("enlarge", "grey") for b in ("mean image", "unconditional sample")}
    for baseline, more in ((None, set()), ("grey", {("enlarge", "grey")})):
        found = evaluate(methods, batches, baseline=baseline, num_bootstrap=20).comparisons
        assert {(c.a, c.b) for c in found} == against_floors | more


def test_few_sources_are_warned_of_with_their_number(results: Results) -> None:
    assert results.notes[0].startswith("Warning: 8 independent sources are few.")


def test_pictures_that_were_trained_on_are_told(batches: list, train_batches: list) -> None:
    methods = {"enlarge": Method(enlarge)}
    apart = evaluate(methods, batches, train_batches=train_batches, num_bootstrap=20)
    assert not any("among the training pairs" in note for note in apart.notes)
    known = [*train_batches, batches[0]]
    found = evaluate(methods, batches, train_batches=known, num_bootstrap=20)
    count = f"{len(batches[0]['image'])} of the {found.num_images} pictures evaluated are among the training pairs"
    assert found.notes[0].startswith(f"Warning: {count}")


def test_two_judges_have_to_agree_on_a_claim(batches: list, judge: Judge) -> None:
    class Contrary:
        def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
            flat = (images.flatten(1).std(1) < 0.05).float()  # grey pictures look like nothing else
            return torch.stack([flat, 1 - flat], 1), torch.stack([flat, 1 - flat], 1)

    class Backward(Contrary):
        def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
            keep = images.flatten(1).std(1) > 0.25  # originals, and not their enlarged means
            keep |= images.flatten(1).std(1) < 0.05
            logits = torch.stack([keep.float(), 1 - keep.float()], 1)
            return logits, logits

    judges = [Judge("a", "a", Contrary()), Judge("b", "b", Backward())]
    found = evaluate(METHODS, batches, judges=judges, baseline="grey", num_bootstrap=50).comparisons
    agreement = {c.metric: c for c in found if c.metric.startswith("agreement")}
    assert agreement["agreement/a"].difference == 1 and agreement["agreement/b"].difference == -1
    assert all(c.excludes_zero and not c.claim for c in agreement.values())


def test_a_judge_that_sees_no_difference_confirms_no_claim(batches: list, judge: Judge) -> None:
    class Blind:
        def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return torch.ones(len(images), 2), torch.ones(len(images), 2)

    judges = [judge, Judge("blind", "blind", Blind())]
    found = evaluate(METHODS, batches, judges=judges, baseline="grey", num_bootstrap=50).comparisons
    agreement = {c.metric: c for c in found if c.metric.startswith("agreement")}
    assert agreement["agreement/colour"].excludes_zero and agreement["agreement/blind"].difference == 0
    assert not agreement["agreement/colour"].claim


def test_crops_of_one_photo_have_no_kid(batches: list, judge: Judge, tmp_path: Path) -> None:
    for batch in batches:
        batch["group"] = ["photo"] * len(batch["key"])
    found = evaluate({"grey": METHODS["grey"]}, batches, judges=[judge], num_bootstrap=20)
    assert "kid/colour" not in found.row("grey").scores and "kid" in {missing.metric for missing in found.missing}
    found.save(tmp_path / "metrics.json")


def test_what_a_method_knows_of_its_time_stands_for_the_clock(batches: list) -> None:
    methods = {"searched": Method(grey, kind="floor", cost={"seconds_per_image": 7.0, "denoiser_calls": 8})}
    assert evaluate(methods, batches, num_bootstrap=20).row("searched").cost == methods["searched"].cost


def test_missing_metrics_give_their_reason(results: Results, batches: list) -> None:
    assert {missing.metric for missing in results.missing} >= {"is", "fid"}
    bare = evaluate({"grey": METHODS["grey"]}, batches, num_bootstrap=20)
    reasons = {missing.metric: missing.reason for missing in bare.missing}
    judged = {"agreement", "reid", "kid", "is", "fid"}
    assert {metric for metric, reason in reasons.items() if reason == "no judge given"} == judged
    assert "target" in reasons["feature_cosine"] and "CUDA" in reasons["peak_memory_bytes"]
    assert set(bare.row("grey").scores) <= {"psnr", "ssim", "lpips"}


def test_chance_and_retrieval(results: Results, train_batches: list, batches: list) -> None:
    assert results.chance["reid_top1/colour"] == pytest.approx(1 / 13)
    assert 0 < results.chance["agreement/colour"] < 1
    thief = MeanImage()
    thief.see({"image": train_batches[0]["image"][:1]})
    found = evaluate({"thief": Method(thief.__call__)}, batches, train_batches=train_batches, num_bootstrap=20)
    assert found.row("thief").scores["nearest_train_psnr"].mean == 60
    assert found.row("thief").scores["nearer_to_train"].mean == 1
    assert found.row(ORIGINAL).scores["nearest_train_psnr"].mean < 20


def test_large_pictures_are_compared_with_training_pictures_at_one_size(batches: list) -> None:
    """Grain of single pixels is lost where pictures are shrunk for the search; it must not count on one side alone."""
    grain = (torch.arange(256)[:, None] + torch.arange(256)).remainder(2) * 0.6 - 0.3
    image = (torch.full((3, 3, 256, 256), 0.5) + grain).clamp(0, 1)
    large = [{**batches[0], "image": image}]
    train = [{"key": ["a"], "image": torch.full((1, 3, 256, 256), 0.6), "group": ["a"]}]
    found = evaluate({"smooth": Method(lambda x: torch.full((3, 3, 256, 256), 0.5))}, large, train_batches=train)
    scores = found.row("smooth").scores
    assert scores["psnr"].mean < scores["nearest_train_psnr"].mean == pytest.approx(20, abs=0.3)
    assert scores["nearer_to_train"].mean == 0


def test_attacks_get_a_copy_of_the_features_and_no_image(batches: list) -> None:
    seen = []

    def spoil(features: Tensor) -> Tensor:
        seen.append(features.clone())
        features.zero_()
        return grey(features)

    before = [batch["features"].clone() for batch in batches]
    images = [batch["image"].clone() for batch in batches]
    methods = {"spoil": Method(spoil), "enlarge": METHODS["enlarge"]}
    found = evaluate(methods, batches, num_bootstrap=20)
    assert all(torch.equal(a, b) for a, b in zip(seen, before, strict=True))
    assert all(torch.equal(batch["features"], f) for batch, f in zip(batches, before, strict=True))
    assert all(torch.equal(batch["image"], i) for batch, i in zip(batches, images, strict=True))
    alone = evaluate({"enlarge": METHODS["enlarge"]}, batches, num_bootstrap=20)
    assert found.per_image["enlarge"] == alone.per_image["enlarge"]
    with pytest.raises(ValueError, match="allowed for attacks: features"):
        Method(grey, sees="image")


def test_json_round_trip(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "out" / "metrics.json")
    data = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert data == json.loads(json.dumps(results.to_json()))
    assert Results.from_json(data).to_json() == data
    assert data["schema_version"] == 1 and data["methods"]["enlarge"]["operating_point"] == "mean"
    assert data["environment"]["python"] and data["environment"]["threads"] >= 1
    assert data["environment"]["device"] == "cpu" and data["config"] == {"data": {"limit": None}}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["metrics.json"]
    with pytest.raises(ValueError, match="schema_version is 7"):
        Results.from_json(data | {"schema_version": 7})
    with pytest.raises(ValueError, match="metrics: a list where a JSON object belongs"):
        Results.from_json([data])
    with pytest.raises(ValueError, match="not of schema version 1"):
        Results.from_json(data | {"methods": []})
    counted = Results.from_json(data | {"payload": data["payload"] | {"bytes": 1234.5}})
    assert counted.payload.bytes == counted.to_json()["payload"]["bytes"] == 1234.5
    del data["payload"]["bytes"]  # as older versions wrote it
    assert Results.from_json(data).payload.bytes is None
    del data["payload"]
    with pytest.raises(ValueError, match="payload"):
        Results.from_json(data)


def test_csv_has_a_line_per_method_and_image(results: Results, tmp_path: Path) -> None:
    results.write_csv(tmp_path / "images.csv")
    with (tmp_path / "images.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 4 * 12
    line = next(line for line in lines if line["method"] == "enlarge" and line["key"] == "val1-2")
    assert line["group"] == "val1-2"
    assert float(line["psnr"]) == pytest.approx(results.per_image["enlarge"]["psnr"][5], abs=1e-3)


def test_reconstructions_are_saved_and_names_stay_inside_the_folder(batches: list, tmp_path: Path) -> None:
    batches[0]["key"][0] = "../up/../../clip one"
    evaluate({"enlarge": METHODS["enlarge"]}, batches, num_bootstrap=20, on_recon=save_recons(tmp_path / "recon"))
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert len(files) == 24 and "recon/enlarge/..%2Fup%2F..%2F..%2Fclip one.png" in files
    assert Image.open(tmp_path / "recon/enlarge/val1-0.png").size == (12, 16)


def test_pictures_are_ranked_by_psnr(results: Results) -> None:
    chosen = {(pictures.rank, pictures.ranked_by): pictures for pictures in results.pictures}
    assert next(iter(chosen)) == ("first", None) and ("worst", "enlarge") in chosen
    best = chosen["best", "enlarge"]
    values = sorted(results.per_image["enlarge"]["psnr"], reverse=True)
    assert best.psnr["enlarge"] == pytest.approx(values[:5])
    assert set(best.recon) == {"enlarge", "grey", "copy", "nearest training picture"}
    assert best.image.shape == (5, 3, 16, 12) and best.image.dtype == torch.uint8


@pytest.mark.parametrize(
    ("reconstruct", "message"),
    [
        (lambda features: features, "needed: \\(3, 3, 16, 12\\)"),
        (lambda features: grey(features) / 0 * 0, "not finite"),
    ],
)
def test_broken_methods_are_named(batches: list, reconstruct, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=f"'broken' gave .*{message}"):
        evaluate({"broken": Method(reconstruct)}, batches)


def test_wrong_arguments_raise(batches: list) -> None:
    for baseline in ("dip", "copy"):
        with pytest.raises(ValueError, match=f"baseline is '{baseline}'; allowed: enlarge, grey$"):
            evaluate(METHODS, batches, baseline=baseline)
    with pytest.raises(ValueError, match="none named 'original'"):
        evaluate({"original": METHODS["grey"]}, batches)
    with pytest.raises(ValueError, match="batches is empty"):
        evaluate(METHODS, [])
    with pytest.raises(ValueError, match="twice"):
        evaluate(METHODS, batches + batches)


def compared(
    a: str, b: str, difference: float, claim: bool, metric: str = "reid_mrr/judge", groups: int = 20
) -> Comparison:
    return Comparison(a, b, metric, difference, 0.0, 0.0, claim, claim, 30, groups)


@pytest.mark.parametrize(
    ("difference", "claim", "said"),
    [
        (0.2, True, "better than `mean`: believe it"),
        (-0.2, True, "worse than `mean`: believe `mean`"),
        (0.2, False, "alike"),
    ],
)
def test_the_operating_point_to_believe_is_said(difference, claim, said):
    (note,) = preferred_point([compared("sample", "mean", difference, claim), compared("sample", "floor", 1.0, True)])
    assert said in note
    assert preferred_point([compared("sample", "mean", 1.0, True, "psnr")]) == []


def test_what_is_drawn_is_compared_with_the_mean():
    def method(point):
        return Method(lambda features: features, operating_point=point)

    methods = {"mean": method("mean"), "sample": method("sample"), "best of 4": method("sample")}
    floor = {"floor": Method(lambda features: features, kind="floor")}
    assert _comparisons(methods | floor, None, None) == [
        *(("sample", "mean"), ("best of 4", "mean"), ("best of 4", "sample")),
        *((name, "floor") for name in methods),
    ]


def test_twenty_sources_may_claim(batches: list) -> None:
    many = [batch | {"key": [f"{n} {key}" for key in batch["key"]]} for n in range(2) for batch in batches]
    many = [batch | {"group": batch["key"]} for batch in many]
    found = evaluate(METHODS, many, baseline="grey", num_bootstrap=50).comparisons
    said = {c.metric: verdict(c) for c in found}
    assert found[0].groups == 24 and said["psnr"] == "better"


def test_neither_point_is_believed_on_few_sources():
    (note,) = preferred_point([compared("sample", "mean", 0.2, True, groups=19)])
    assert "19 sources are too few to say" in note


class CountedReads:
    """Batches that count how often each is read."""

    def __init__(self, batches: list) -> None:
        self.batches, self.reads = batches, 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        for batch in self.batches:
            self.reads += 1
            yield batch


def test_training_pairs_are_read_once(batches: list, train_batches: list, judge: Judge) -> None:
    """By both floors and by the search for what was retrieved, each of which gets what it would get alone."""
    features = torch.cat([batch["features"] for batch in batches])
    floors = {
        "nearest": Method(NearestTrainingImage(features, torch.zeros(3), torch.ones(3)), kind="floor"),
        "mean image": Method(MeanImage(), kind="floor"),
    }
    train = CountedReads(train_batches)
    found = evaluate({**floors, **METHODS}, batches, judges=[judge], train_batches=train, num_bootstrap=20)
    assert train.reads == len(train_batches)
    assert [row.name for row in found.rows] == [ORIGINAL, *floors, *METHODS]
    alone = evaluate(METHODS, batches, train_batches=train_batches, num_bootstrap=20)
    assert alone.per_image["enlarge"].items() <= found.per_image["enlarge"].items()
    mean = torch.cat([batch["image"] for batch in train_batches]).mean(0)
    image = torch.cat([batch["image"] for batch in batches])
    expected = psnr(mean.expand_as(image), image).tolist()
    assert found.per_image["mean image"]["psnr"] == pytest.approx(expected, abs=0.01)
    with pytest.raises(ValueError, match="train_batches is None; needed by nearest, mean image"):
        evaluate({**floors, **METHODS}, batches)


def test_another_method_changes_no_noise_of_the_payload(batches: list) -> None:
    def target() -> Target:
        sizes = {"name": "tiny", "input_size": 16, "mean": [0.0] * 3, "std": [1.0] * 3}
        return Target(torch.nn.Sequential(torch.nn.AvgPool2d(2)), "0", payload="gaussian:0.5", **sizes)

    asked = target()
    square = [batch | {"image": batch["image"][..., :12, :], "features": torch.rand(3, 3, 8, 8)} for batch in batches]
    asking = Method(lambda features: asked(torch.rand(3, 3, 16, 16))[:, :, :1, :1].clamp(0, 1).expand(3, 3, 12, 12))
    plain = Method(lambda features: torch.nn.functional.interpolate(features, (12, 12)))
    alone = evaluate({"plain": plain}, square, target=target(), num_bootstrap=20).per_image
    both = evaluate({"asking": asking, "plain": plain}, square, target=asked, num_bootstrap=20).per_image
    assert alone["plain"]["feature_cosine"] == both["plain"]["feature_cosine"]
    again = evaluate({"grey": plain, "asking": asking}, square, target=asked, num_bootstrap=20).per_image
    assert again["asking"] == both["asking"]


def test_what_measures_runs_in_float32(batches: list, judge: Judge) -> None:
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 8, 3, padding=1)
    seen = [batch | {"features": network(batch["image"]).detach()} for batch in batches]
    methods = {"grey": Method(lambda features: torch.full((3, 3, 16, 12), 0.5))}
    plain = evaluate(methods, seen, target=network, judges=[judge], num_bootstrap=20)
    with torch.autocast("cpu", torch.bfloat16):
        found = evaluate(methods, seen, target=network, judges=[judge], num_bootstrap=20)
    assert found.per_image == plain.per_image


def test_no_distractors_are_a_reason(batches: list, judge: Judge) -> None:
    none = Missing("reid", "3 val pictures of other sources for some picture; needed: 20")
    found = evaluate({"grey": METHODS["grey"]}, batches, judges=[judge], gallery=none, num_bootstrap=20)
    assert none in found.missing and not any(metric.startswith("reid") for metric in found.metrics())


def test_the_mean_of_several_queries_comes_nearer_than_one(batches: list) -> None:
    """Noise of deviation 1: what is left of it after n queries has deviation 1 / sqrt(n)."""
    errors: dict[str, list[Tensor]] = {"once": [], "often": []}
    generator = torch.Generator().manual_seed(0)

    def noisy(images: Tensor) -> Tensor:
        return shrink(images) + torch.randn(shrink(images).shape, generator=generator)

    def watch(name: str):
        def reconstruct(features: Tensor) -> Tensor:
            errors[name].append(features)
            return enlarge(features).clamp(0, 1)

        return reconstruct

    stored = [{**batch, "features": noisy(batch["image"])} for batch in batches]
    methods = {"once": Method(watch("once")), "often": Method(watch("often"), sees="queries")}
    evaluate(methods, stored, target=noisy, num_bootstrap=10, queries=16)
    exact = torch.cat([shrink(batch["image"]) for batch in batches])
    left = {name: (torch.cat(seen) - exact).std().item() for name, seen in errors.items()}
    assert left["once"] == pytest.approx(1, rel=0.1) and left["often"] == pytest.approx(0.25, rel=0.1)
    for given in ({"target": noisy}, {"target": noisy, "queries": 1}, {"queries": 4}):
        with pytest.raises(ValueError, match=r"queries is .*; needed by often: 2 or more, and the target"):
            evaluate(methods, stored, num_bootstrap=10, **given)


def test_what_was_trained_on_these_features_is_compared_with_what_was_not() -> None:
    methods = {name: Method(enlarge) for name in ("mean", "static mean", "static sample")}
    assert ("mean", "static mean") in _comparisons(methods, None, None)
    assert not any("static sample" in pair for pair in _comparisons(methods, None, None))
