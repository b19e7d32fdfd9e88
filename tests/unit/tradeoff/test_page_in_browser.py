from dataclasses import replace

import pytest
from browser import check
from browser import chromium as chromium

from inverter.tradeoff.page import write_page

pytestmark = pytest.mark.slow


def test_the_page_fits_every_window_and_is_accessible(chromium, tradeoff, sheet, tmp_path):
    long = "gaussian:4+" * 8
    first, second, *others = tradeoff.settings
    settings = (first, replace(second, name=f"{long}int8"), *others)
    strips = tuple(replace(strip, layer=strip.layer and f"{long}int8") for strip in sheet.strips)
    write_page(replace(tradeoff, settings=settings), replace(sheet, strips=strips), tmp_path / "r.html")
    check(chromium, tmp_path / "r.html")
    assert len(list(tmp_path.glob("r-*.png"))) == 4
