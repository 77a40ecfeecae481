"""report.html in a browser, from a file: what a person does with it, by pointer and by keys."""

import base64
import io
import zlib

import msgspec
import numpy as np
import pytest
from PIL import Image

from clip_conformance.report import Report
from clip_conformance.reports.likeness import likeness
from pages import expect, needs_a_browser, wait_for_pictures
from test_report_html import HOSTILE, made_up

pytestmark = needs_a_browser

CASE = "crop-right-3@224"
# The light map of errors, as web/heat.js has it, and zero in it.
STOPS = np.array(
    [[8, 48, 107], [33, 113, 181], [150, 196, 228], [247, 247, 245], [253, 190, 133], [217, 95, 14], [127, 39, 4]]
)


def shown(page):
    return page.locator("#table .open").all_text_contents()


# The table.


def test_the_table_sorts_by_every_column(show, reports):
    page = show(reports["failing"])
    ids = shown(page)
    assert len(ids) == len(reports["failing"].cases)
    heads = page.locator("#table thead th")
    assert heads.all_text_contents() == ["case", "scope", "mode", "status", "level", "stage", "peak", "mean", "bias"]
    for index in range(heads.count()):
        head = heads.nth(index)
        for _ in range(2):
            before = head.get_attribute("aria-sort")
            head.locator("button").click()
            after = head.get_attribute("aria-sort")
            assert {before, after} == {"ascending", "descending"} or before == "none" != after
            column = page.locator(f"#table tbody tr > :nth-child({index + 1})").all_text_contents()
            assert sorted(shown(page)) == sorted(ids)
            if index in (6, 7, 8):
                numbers = [abs(float(text)) for text in column if text != "–"]
                assert numbers == sorted(numbers, reverse=after == "descending")
                assert "–" not in column[: len(numbers)]
            elif index == 4:
                ranks = [["exact", "equivalent", "close", "divergent"].index(text) for text in column]
                assert ranks == sorted(ranks, reverse=after == "descending")
    assert page.locator("#table [aria-sort=ascending], #table [aria-sort=descending]").count() == 1


def test_the_table_filters_and_counts(show, reports):
    report = reports["failing"]
    page = show(report)
    failing = {case.id for case in report.cases if case.level == "divergent"}
    page.check("#failing")
    assert set(shown(page)) == failing
    count = f"{len(failing)} of {len(report.cases)} cases shown, {len(failing)} failing"
    assert page.text_content("#shown") == count
    page.click("button[type=reset]")
    expect(page.locator("#table tbody tr")).to_have_count(len(report.cases))
    page.fill("#find", "crop-1 RIGHT")
    assert all("crop-right" in name for name in shown(page))
    page.fill("#find", "nothing like it")
    assert page.is_visible("#none")
    page.click("#clear")
    expect(page.locator("#table tbody tr")).to_have_count(len(report.cases))
    page.select_option("#by-scope", "modes")
    assert set(shown(page)) == {case.id for case in report.cases if case.scope == "modes"}
    page.select_option("#by-scope", "")
    page.select_option("#by-level", "exact")
    assert set(shown(page)) == {case.id for case in report.cases if case.status == "ok" and case.level == "exact"}
    page.click("[data-stage=center_crop]")
    expect(page.locator("#by-stage")).to_have_value("center_crop")
    assert set() < set(shown(page)) <= failing


def test_two_thousand_rows(show):
    page = show(made_up(cases=2020, pictures=8, weight=20_000))
    assert len(shown(page)) == 2020
    page.select_option("#by-size", "336")
    assert len(shown(page)) == 404
    page.select_option("#by-size", "")
    page.fill("#find", "crop-right")
    assert 0 < len(shown(page)) < 404
    page.fill("#find", "")
    assert len(shown(page)) == 2020


# Keys.


def test_keys_step_through_the_failing_cases(show, reports):
    page = show(reports["failing"])
    order = [name for name in shown(page) if name in {c.id for c in reports["failing"].cases if c.level == "divergent"}]
    focused = "document.activeElement.textContent"
    page.keyboard.press("j")
    assert page.evaluate(focused) == order[0]
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == order[1]
    page.keyboard.press("k")
    assert page.evaluate(focused) == order[0]
    page.keyboard.press("Enter")
    title = page.locator("#detail-title")
    assert title.text_content() == order[0]
    assert page.text_content("#place") == f"failing case 1 of {len(order)}"
    page.keyboard.press("j")
    assert title.text_content() == order[1]
    page.keyboard.press("ArrowRight")
    assert title.text_content() == order[2]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert title.text_content() == order[-1]
    assert page.url.endswith(f"#case={order[-1].replace('@', '%40')}")
    page.keyboard.press("Escape")
    assert not page.is_visible("#detail")
    # A dialog says that it was closed a little later.
    page.wait_for_function(f"name => {focused} === name", arg=order[-1], timeout=5000)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.type("j?k")
    assert page.input_value("#find") == "j?k"
    page.focus("#theme")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")


def test_focus_is_seen(show, reports):
    page = show(reports["failing"])
    for _ in range(16):
        page.keyboard.press("Tab")
        style = page.evaluate(
            "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])(getComputedStyle(document.activeElement))"
        )
        assert style == ["solid", "2px"], page.evaluate("document.activeElement.outerHTML.slice(0, 80)")


# One case.


def truth(report, case):
    """(expected, error in LSB) of a picture, decoded here."""
    picture = next(picture for picture in report.pictures if picture.case == case)
    expected = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.expected))).convert("RGB")).astype(int)
    steps = np.frombuffer(zlib.decompress(base64.b64decode(picture.error)), "<i2").reshape(expected.shape)
    return expected, steps * picture.unit


def pixel(page, canvas, x, y):
    code = """([id, x, y]) => {
      const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      copy.drawImage(document.getElementById(id), -x, -y);
      return [...copy.getImageData(0, 0, 1, 1).data];
    }"""
    return page.evaluate(code, [canvas, x, y])


def heat_colour(value, reach):
    place = (np.sign(value) * np.ceil(min(abs(value) / reach, 1) * 256) / 256 + 1) / 2 * 6
    lower = min(int(place), 5)
    return np.floor(STOPS[lower] + (STOPS[lower + 1] - STOPS[lower]) * (place - lower) + 0.5).astype(int).tolist()


def largest(error):
    return error[np.abs(error).argmax()]


def test_the_pictures_show_the_right_pixels(show, reports):
    expected, error = truth(reports["failing"], CASE)
    page = show(reports["failing"], hash_=f"#case={CASE}")
    wait_for_pictures(page)
    assert page.text_content("#detail-title") == CASE
    got = np.clip(np.floor(expected + error + 0.5), 0, 255).astype(int)
    exponent = int(page.input_value("#gain"))
    for x, y in ((0, 0), (100, 57), (223, 223), (5, 200)):
        assert pixel(page, "got", x, y) == [*got[y, x], 255]
        wanted = heat_colour(largest(error[y, x]), 256 / 2**exponent)
        assert np.abs(np.array(pixel(page, "heat", x, y)[:3]) - wanted).max() <= 1
    # Zero is neutral at any gain, and a channel can be looked at alone.
    page.click(".segments button:nth-child(4)")
    page.focus("#gain")
    page.keyboard.press("End")
    ys, xs = np.nonzero(error[..., 2] == 0)
    assert pixel(page, "heat", int(xs[0]), int(ys[0]))[:3] == STOPS[3].tolist()
    ys, xs = np.nonzero(error[..., 2] < 0)
    assert pixel(page, "heat", int(xs[0]), int(ys[0]))[:3] == STOPS[0].tolist()
    assert page.get_attribute("#gain", "aria-valuetext") == "gain 16384, 1/64 LSB either way"


def test_the_loupe_says_the_values_of_a_pixel(show, reports):
    expected, error = truth(reports["failing"], CASE)
    page = show(reports["failing"], hash_=f"#case={CASE}")
    wait_for_pictures(page)

    def told():
        place = page.text_content(".values caption").removeprefix("pixel ").removesuffix(", held")
        x, y = map(int, place.split(", "))
        rows = [
            row.split("|")
            for row in page.eval_on_selector_all(
                ".values tbody tr",
                "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent).join('|'))",
            )
        ]
        for channel, (name, was, is_, off) in enumerate(rows):
            assert name == "RGB"[channel]
            assert int(was) == expected[y, x, channel]
            got = round(expected[y, x, channel] + error[y, x, channel])
            assert int(is_.removesuffix(" clipped")) == min(max(got, 0), 255)
            assert float(off.replace("−", "-")) == pytest.approx(error[y, x, channel], abs=0.01, rel=0.01)
        return x, y

    # It begins at the worst pixel.
    x, y = told()
    assert np.abs(error[y, x]).max() == np.abs(error).max()
    frame = page.locator(".watched").nth(2)
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 100.5 / 224, box["y"] + box["height"] * 60.5 / 224)
    assert told() == (100, 60)
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    assert told() == (100, 60)
    frame.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    assert told() == (101, 52)
    assert page.text_content("#detail-title") == CASE
    page.keyboard.press("Home")
    assert told() == (x, y)


def test_a_case_says_what_it_is_for_and_what_is_wrong(show, reports):
    page = show(reports["failing"], hash_=f"#case={CASE}")
    wait_for_pictures(page)
    words = page.inner_text("#detail")
    for said in (
        "margin 3 in x",
        "CRP-1",
        "crop-floor",
        "Crop offset rounded down",
        "on the canon's input",
        "Round half",
    ):
        assert said in words, said
    case = next(case for case in reports["failing"].cases if case.id == CASE)
    assert page.locator("#detail table:not(.values) tbody tr").count() == len(case.checks)
    assert "Histogram of the errors" in page.get_attribute(".histogram svg", "aria-label")
    assert page.locator(".histogram rect").count() == 51
    seen = likeness(next(picture for picture in reports["failing"].pictures if picture.case == CASE))
    figures = page.inner_text(".histogram .figures")
    assert f"{seen['psnr']} dB" in figures
    assert str(seen["ssim"]) in figures


def test_what_cannot_be_compared_says_why(show, reports):
    page = show(reports["another shape"])
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    wait_for_pictures(page)
    assert "its shape is [3, 100, 100]" in page.inner_text("#detail")
    assert page.locator(".pictures img").count() == 3
    page.evaluate("location.hash = ''")
    crashing = show(reports["crashing"])
    crashing.keyboard.press("j")
    crashing.keyboard.press("Enter")
    assert "ValueError: <b>no</b>" in crashing.inner_text("#detail .message")
    assert "no output to show" in crashing.inner_text("#detail")


def test_a_broken_picture_is_a_note(show, reports):
    report = reports["failing"]
    for change in (
        {"error": base64.b64encode(zlib.compress(b"\0" * 10)).decode()},
        {"error": base64.b64encode(zlib.compress(b"\0" * (1 << 22))).decode()},
        {"error": "no base64"},
        {"expected": base64.b64encode(b"no PNG").decode()},
    ):
        pictures = [msgspec.structs.replace(picture, **change) for picture in report.pictures]
        page = show(Report(report.header, report.cases, report.footer, pictures=pictures), hash_=f"#case={CASE}")
        page.wait_for_selector(".pictures .note")
        assert "cannot be shown" in page.inner_text(".pictures .note")


# What a candidate says.


def test_hostile_text_is_shown_and_does_nothing(show):
    for said in HOSTILE[:6]:
        page = show(made_up(said))
        assert page.evaluate("document.querySelectorAll('b, #table img, [onerror], [onfocus]').length") == 0
        page.locator("#table .open").first.click()
        assert page.is_visible("#detail")
        assert page.evaluate("document.querySelectorAll('b, img, [onerror], [onfocus]').length") == 0
        assert said in page.inner_text("body")
