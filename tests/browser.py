"""Pages as a browser shows them: how wide they are, what axe-core finds, and what stands on them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VIEWS = [(width, scheme) for width in (1200, 400) for scheme in ("light", "dark")]
TOO_WIDE = """[...document.querySelectorAll('body *')]
    .filter(part => part.getBoundingClientRect().right > innerWidth + 1 && !part.closest('.scroll'))
    .map(part => part.outerHTML.slice(0, 120))"""
OPEN = "document.querySelectorAll('details').forEach(fold => fold.open = true)"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A Chromium that is installed; without one, or without what drives it, the test is skipped."""
    pytest.importorskip("axe_playwright_python", reason="axe is not installed: make dev")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make dev")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed; looked for {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


def open_page(chromium: Any, page: Path, width: int, scheme: str) -> Any:
    """The page in a window of that width and colour scheme, without a network."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True, offline=True
    )
    shown = context.new_page()
    shown.goto(page.as_uri())
    return shown


def check(chromium: Any, page: Path) -> None:
    """Nothing is wider than the window, and axe-core finds nothing serious, in every view; a picture of each stays."""
    from axe_playwright_python.sync_playwright import Axe

    for width, scheme in VIEWS:
        shown = open_page(chromium, page, width, scheme)
        shown.screenshot(path=page.with_name(f"{page.stem}-{width}-{scheme}.png"), full_page=True)
        for script in ("", OPEN):
            shown.evaluate(script)
            wide, window = shown.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert wide <= window == width, (width, scheme, script, shown.evaluate(TOO_WIDE))
        found = Axe().run(shown).response
        assert found["passes"]
        serious = [rule for rule in found["violations"] if rule["impact"] in ("serious", "critical")]
        assert not serious, (width, scheme, [(rule["id"], rule["nodes"][0]["html"]) for rule in serious])
        shown.context.close()
