"""Reports, and a browser that opens them."""

import pytest

import candidates
from clip_conformance import check
from clip_conformance.reports import html
from pages import CHROMIUM, sync_playwright
from test_report_html import made_up

FEW = (
    "pin-values",
    "pin-noise",
    "crop-right-*",
    "empty-width",
    "jpeg-420",
    "sides-640x480",
    "rgba-clear",
    "palette-up",
)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def reports():
    return {
        "failing": check(candidates.FloorCrop(), select=FEW, jobs=1),
        "passing": check(candidates.sound, select=FEW, jobs=1),
        "crashing": check(candidates.says_html, select=FEW, jobs=1),
        "another shape": check(candidates.square, select=["pin-values", "sides-640x480"], jobs=1),
        "sizes": check(candidates.any_n_px, "all", select=["pin-values", "crop-right-3"], jobs=1),
        "nothing": made_up(cases=0),
    }


@pytest.fixture
def show(browser, tmp_path):
    """Open a report in a page; at the end it must have asked for nothing and complained of nothing."""
    said, asked, contexts = [], [], []

    def opened(report, width=1280, theme="light", hash_=""):
        file = tmp_path / "report.html"
        file.write_bytes(html.render(report))
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
        page.goto(file.as_uri() + hash_)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    others = {url for url in asked if not url.startswith("data:image/png;base64,")}
    assert others == {(tmp_path / "report.html").as_uri()}
