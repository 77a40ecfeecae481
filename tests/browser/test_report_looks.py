"""report.html in a browser, from a file: how it looks on a wide and a narrow screen, in light and dark, to anybody."""

import itertools

import pytest

from clip_conformance.reports import html
from pages import needs_a_browser, wait_for_pictures

pytestmark = needs_a_browser

KINDS = ("failing", "passing", "crashing", "another shape", "sizes", "nothing")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [375, 768, 1280])
def test_no_screen_scrolls_sideways(kind, width, show, reports):
    page = show(reports[kind], width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if reports[kind].cases:
        page.locator("#table .open").first.click()
        assert page.evaluate("(d => d.scrollWidth - d.clientWidth)(document.getElementById('detail'))") <= 0


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return parse(getComputedStyle(document.documentElement).backgroundColor);
  };
  const low = new Map();
  const scope = document.querySelector("dialog[open]") ?? document.body;
  for (const node of scope.querySelectorAll("*")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest("script, style, :disabled")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(style.color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.set(`${node.tagName} ${node.className} ${style.color}`, ratio.toFixed(2));
  }
  return [...low];
}"""

NAMELESS = """() => {
  const named = (node) =>
    node.getAttribute("aria-label") || node.getAttribute("alt") || node.textContent.trim() ||
    document.getElementById(node.getAttribute("aria-labelledby"))?.textContent.trim() ||
    [...(node.labels ?? [])].some((label) => label.textContent.trim());
  return [...document.querySelectorAll("button, a, input, select, img, canvas, [role=region], [role=img], dialog, nav")]
    .filter((node) => node.checkVisibility() && (node.matches("input, select") ? !named({ ...node, textContent: "",
      getAttribute: (name) => node.getAttribute(name), labels: node.labels }) : !named(node)))
    .map((node) => node.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS[:4])
def test_contrast_and_names(kind, theme, show, reports):
    page = show(reports[kind], theme=theme)
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []
    page.locator("#table .open").first.click()
    if kind in ("failing", "another shape"):
        wait_for_pictures(page)
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []
    page.keyboard.press("?")
    assert page.evaluate(CONTRAST) == []


def test_the_theme_turns(show, reports):
    page = show(reports["failing"], theme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    assert page.get_attribute("#theme", "aria-pressed") == "true"
    page.click("#theme")
    assert page.evaluate(background) != dark
    assert page.get_attribute("#theme", "aria-pressed") == "false"
    page.click("#theme")
    assert page.evaluate(background) == dark


def test_headings_and_landmarks_are_in_order(show, reports):
    page = show(reports["failing"])
    levels = page.eval_on_selector_all(
        "h1, h2, h3", "all => all.filter((h) => h.checkVisibility()).map((h) => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    for selector in ("header", "main", "footer", "nav", "a.skip", "[role=search]"):
        assert page.locator(selector).count() >= 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "cases"


def test_without_scripts_there_is_still_the_verdict(browser, reports, tmp_path):
    file = tmp_path / "report.html"
    file.write_bytes(html.render(reports["failing"]))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    words = page.inner_text("body")
    assert f"Leaves the canon at {', '.join(reports['failing'].summary.blame)}." in words
    assert "Crop offset rounded down" in words
    assert "need JavaScript" in words
    context.close()
