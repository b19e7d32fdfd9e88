"""The page as a browser shows it: a photo in, pictures out; a bad file in, a sentence out; an attack, stopped.

``pytest tests/unit/demo/test_page_in_browser.py -m slow --pictures`` writes the picture of the guide anew.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import TOO_WIDE, VIEWS
from browser import chromium as chromium
from documents import ROOT
from PIL import Image

from inverter.data.sources.photos import PHOTOS, find_photo
from inverter.demo.compute import send_photo
from inverter.demo.config import DemoConfig

pytestmark = pytest.mark.slow
GUIDE = ROOT / "docs" / "pictures" / "demo.webp"
MOST_BYTES = 200_000


class Page:
    """A page in a window; what it asks of elsewhere, and what it complains of, is noted."""

    def __init__(self, chromium: Any, address: str, width: int = 1200, scheme: str = "light") -> None:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.shown, self.address, self.elsewhere, self.complaints = context.new_page(), address, [], []
        self.shown.on("request", lambda request: self.elsewhere.append(request.url))
        self.shown.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.shown.goto(address)
        self.shown.wait_for_selector("#run")

    def drop(self, where: str, file: Path) -> None:
        self.shown.set_input_files(f"{where} input[type=file]", str(file))

    def wait(self, where: str, alt: str) -> Any:
        return self.shown.wait_for_selector(f"{where} img[alt='{alt}']", timeout=60_000)

    def error(self) -> str:
        text = self.shown.locator(".toast-message-text")
        text.wait_for(timeout=30_000)
        return text.inner_text()

    def text(self, where: str) -> str:
        return self.shown.inner_text(where)

    def close(self) -> None:
        outside = [url for url in self.elsewhere if not url.startswith((self.address, "data:", "blob:"))]
        assert not outside and not self.complaints, (outside, self.complaints)
        self.shown.context.close()


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Page]:
    opened = Page(chromium, address)
    yield opened
    opened.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (60, 40), "red").save(tmp_path / "red.png")
    return tmp_path / "red.png"


def test_a_photo_in_and_pictures_out(page, photo):
    page.drop("#photo", photo)
    for alt in ("photo", "mean", "sample, seed 0", "sample, seed 1"):
        assert page.wait("#recon", alt).evaluate("image => [image.naturalWidth, image.clientWidth > 90]") == [32, True]
    pixel = page.shown.evaluate(
        """() => { const canvas = document.createElement('canvas'), paint = canvas.getContext('2d');
        paint.drawImage(document.querySelector("#recon img[alt=photo]"), 0, 0);
        return [...paint.getImageData(9, 9, 1, 1).data] }"""
    )
    assert pixel == [255, 0, 0, 255]
    assert "6 x 4 x 4" in page.text("#sent") and "384" in page.text("#sent")
    assert "dB" in page.text("#recon")


def test_features_in_and_pictures_out(page, inverters, photo, tmp_path):
    sent = send_photo(inverters, inverters.names[0], "", Image.open(photo))
    np.save(tmp_path / "red.npy", sent.features.numpy())
    page.shown.get_by_role("tab", name="Features").click()
    page.drop("#features", tmp_path / "red.npy")
    page.wait("#recon", "sample, seed 1")
    assert page.shown.locator("#recon img").count() == 3 and "Read from the file" in page.text("#sent")


def test_a_bad_photo_in_and_a_sentence_out(page, tmp_path):
    (tmp_path / "text.png").write_bytes(b"no picture")
    page.drop("#photo", tmp_path / "text.png")
    assert page.error() == "picture text.png is none; allowed: PNG, JPEG, WEBP, BMP"
    page.complaints = [said for said in page.complaints if "400" not in said]


def test_bad_features_in_and_a_sentence_out(page, tmp_path):
    np.save(tmp_path / "other.npy", np.zeros((7, 4, 4), np.float32))
    page.shown.get_by_role("tab", name="Features").click()
    page.drop("#features", tmp_path / "other.npy")
    assert page.error() == "features of 'other.npy' have shape (7, 4, 4); 1 gives (6, 4, 4)"


def test_a_payload_that_is_unknown_is_a_sentence(page, photo):
    page.shown.fill("#payload input", "<b>int9")
    page.shown.keyboard.press("Enter")
    page.shown.click("#run")
    assert page.error().startswith("payload='<b>int9' is unknown; allowed are bf16, ")


def test_an_attack_shows_iterates_and_stops(page, photo):
    page.drop("#photo", photo)
    page.wait("#recon", "sample, seed 1")
    page.shown.get_by_role("button", name="White-box attack").click()
    page.shown.click("#start")
    page.wait("#iterates", "step 4")
    page.shown.click("#stop")
    page.shown.wait_for_function("document.querySelector('#iterates').innerText.includes('stopped')", timeout=10_000)
    stopped = page.text("#iterates")
    time.sleep(1)
    assert page.text("#iterates") == stopped and "feature loss" in stopped
    page.shown.click("#run")  # what was stopped holds up nobody
    page.wait("#recon", "sample, seed 1")


def test_users_wait_in_a_queue(chromium, address, photo):
    pages = [Page(chromium, address) for _ in range(3)]
    for each in pages:
        each.drop("#photo", photo)
    for each in pages:
        each.wait("#recon", "sample, seed 1")
        each.close()


def test_guidance_is_empty_until_it_is_given(page, inverters, monkeypatch):
    given, drawn = [], type(inverters.inverter(inverters.names[0])[0]).sample
    monkeypatch.setattr(
        "inverter.blackbox.inverter.Inverter.sample",
        lambda self, features, **draw: given.append(draw["guidance_scale"]) or drawn(self, features, **draw),
    )
    page.shown.get_by_role("button", name="How sample draws").click()
    for number, text in enumerate(("", "2"), 1):
        page.shown.fill("#guidance :is(input, textarea)", text)
        page.shown.click("#run")
        for _ in range(600):
            if len(given) < number:
                page.shown.wait_for_timeout(100)
    assert given == [None, 2.0]


def test_a_report_is_shown_in_a_frame(page, config):
    page.shown.get_by_role("tab", name="Reports").click()
    page.shown.get_by_text("There is none yet").wait_for()
    page.shown.get_by_role("tab", name="Invert").click()
    run = Path(config.runs) / "first"
    run.mkdir(exist_ok=True)
    (run / "report.html").write_text("<h1>A report</h1><script>document.body.innerHTML = 'run'</script>")
    page.shown.get_by_role("tab", name="Reports").click()
    page.shown.click("#report input")
    page.shown.get_by_role("option", name="first").click()
    assert page.shown.frame_locator("iframe.report").locator("h1").inner_text() == "A report"
    page.complaints.clear()  # that the frame may run no script


def test_the_page_fits_every_window_and_its_pictures_are_accessible(chromium, address, photo):
    from axe_playwright_python.sync_playwright import Axe

    for width, scheme in VIEWS:
        page = Page(chromium, address, width, scheme)
        page.drop("#photo", photo)
        page.wait("#recon", "sample, seed 1")
        wide = page.shown.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, (width, scheme, page.shown.evaluate(TOO_WIDE))
        for part in ("#title", "#sent", "#recon"):
            found = Axe().run(page.shown, context=part).response
            serious = [rule for rule in found["violations"] if rule["impact"] in ("serious", "critical")]
            assert found["passes"] and not serious, (width, scheme, part, serious)
        page.close()


def test_the_picture_of_the_guide(chromium, open_page, tmp_path, request):
    with open_page(DemoConfig(runs=str(tmp_path), inverters=["blocks.2"], device="cpu")) as address:
        page = Page(chromium, address)
        page.shown.screenshot(path=tmp_path / "before.png", full_page=True)
        page.drop("#photo", find_photo(PHOTOS[2]))
        page.wait("#recon", "sample, seed 1")
        page.shown.get_by_role("button", name="White-box attack").click()
        page.shown.click("#start")
        page.wait("#iterates", "step 4")
        page.shown.click("#stop")
        page.shown.wait_for_function("document.querySelector('#iterates').innerText.includes('stopped')")
        assert "blocks.2" in page.text("#sent") and "125,440" in page.text("#sent")
        page.shown.mouse.move(0, 0)
        shot = Image.open(io.BytesIO(page.shown.screenshot(full_page=True)))
        page.close()
    assert shot.width == 1200 and 700 < shot.height < 2400
    file = io.BytesIO()
    shot.convert("RGB").save(file, "WEBP", quality=80, method=6)
    assert len(file.getvalue()) < MOST_BYTES
    if request.config.getoption("--pictures", default=False):
        GUIDE.parent.mkdir(exist_ok=True)
        GUIDE.write_bytes(file.getvalue())
    assert GUIDE.stat().st_size < MOST_BYTES
