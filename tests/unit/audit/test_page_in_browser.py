from dataclasses import replace

import pytest
from browser import check
from browser import chromium as chromium

from inverter.audit.page import write_page

pytestmark = pytest.mark.slow


def test_the_page_fits_every_window_and_is_accessible(chromium, audit, sheet, tmp_path):
    long = "encoder.layers." * 5
    layers = tuple(replace(layer, layer=f"{long}{i}", diagnosis=(long,)) for i, layer in enumerate(audit.layers))
    strips = tuple(replace(strip, layer=strip.layer and f"{long}0") for strip in sheet.strips)
    write_page(
        replace(audit, layers=layers, recommended=f"{long}1"), replace(sheet, strips=strips), tmp_path / "r.html"
    )
    check(chromium, tmp_path / "r.html")
