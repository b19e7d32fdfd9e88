from pathlib import Path

import pytest
from browser import check, open_page
from browser import chromium as chromium

from inverter.evaluation import Judge, Method, evaluate, write_report
from inverter.evaluation.floors import MeanImage
from inverter.evaluation.judges import Gallery

pytestmark = pytest.mark.slow
LONG = "a_name_of_a_method_that_nobody_would_want_to_read_but_somebody_may_give"


@pytest.fixture
def page(batches: list, train_batches: list, judge: Judge, tmp_path: Path) -> Path:
    images = train_batches[0]["image"]
    attack = Method(lambda features: images[:1].expand(len(features), -1, -1, -1))
    results = evaluate(
        {"mean": attack, LONG: attack, "mean image": Method(MeanImage(), kind="floor")},
        [{**batch, "text": [LONG] * 3} for batch in batches],
        judges=[judge, Judge("another", "another network", judge.classifier)],
        gallery=Gallery(images, ("elsewhere",) * len(images)),
        train_batches=train_batches,
        num_bootstrap=20,
        config={"path": "/" + LONG * 3, "nested": {LONG: LONG}},
        threat_model=LONG,
        notes=[f"Warning: `{LONG}`"],
    )
    write_report(results, tmp_path / "report.html", LONG)
    return tmp_path / "report.html"


def test_the_report_fits_every_window_and_is_accessible(chromium, page: Path) -> None:  # type: ignore[no-untyped-def]
    check(chromium, page)


def test_the_keyboard_chooses_pictures(chromium, page: Path) -> None:  # type: ignore[no-untyped-def]
    shown = open_page(chromium, page, 1200, "light")
    assert ranks(shown) == ["best", "median", "worst"]
    shown.focus("#show-all")
    shown.keyboard.press("ArrowRight")
    assert ranks(shown) == ["best"] and shown.locator(".group:visible .more:visible").count() == 0
    shown.focus("#methods-few")
    shown.keyboard.press("ArrowRight")
    assert shown.locator(".group:visible .more:visible").count() > 0


def ranks(shown) -> list[str]:  # type: ignore[no-untyped-def]
    return shown.eval_on_selector_all(".group", "all => all.filter(x => x.checkVisibility()).map(x => x.dataset.rank)")
