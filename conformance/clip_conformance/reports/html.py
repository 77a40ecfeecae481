"""report.html: one file that needs no network, made from the lines of a report alone."""

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from clip_conformance.records import Case, Picture
from clip_conformance.report import Report
from clip_conformance.reports.html_data import case_data, failing, picture_data
from clip_conformance.reports.html_overview import overview
from clip_conformance.reports.likeness import likeness
from clip_conformance.reports.pictures import badness

NAME = "report.html"
# Bytes of the file, whatever the report.
LIMIT = 10_000_000
# Characters of one text of a candidate: as many of these as fit.
_TEXTS = (4000, 400, 60)
_STYLES = ("theme.css", "layout.css", "overview.css", "cases.css", "detail.css")
# One after the other in one function: a file uses what those before it declare.
_SCRIPTS = (
    "data.js",
    "theme.js",
    "table.js",
    "pixels.js",
    "heat.js",
    "histogram.js",
    "loupe.js",
    "pictures.js",
    "detail.js",
    "keys.js",
)
# Characters that would end a script element, or start something in one.
_ESCAPES = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


def render(report: Report) -> bytes:
    """Return report.html; the same lines give the same bytes.

    Where it would be larger than LIMIT, pictures are left out, the least bad first, then texts are cut, then cases that
    pass and the least bad of the others are left out; the page says what is missing.
    """
    for most in _TEXTS:
        bare = len(_page(report, report.cases, [], most))
        if bare <= LIMIT:
            return _page(report, report.cases, _fitting(report, LIMIT - bare), most)
    cases = sorted(report.cases, key=badness, reverse=True)
    while (bare := len(_page(report, cases, [], most))) > LIMIT:
        cases = cases[: len(cases) // 2]
    return _page(report, cases, [], most)


def _fitting(report: Report, room: int) -> list[Picture]:
    """Return the pictures of the worst cases that fit."""
    bad = {case.id: badness(case) for case in report.cases}
    known = [picture for picture in report.pictures if picture.case in bad]
    # What the page says of those left out, and how like each is.
    room -= 1000 + 64 * len(known)
    kept = set()
    for picture in sorted(known, key=lambda picture: bad[picture.case], reverse=True):
        room -= len(_embedded(picture_data(picture))) + 1
        if room < 0:
            break
        kept.add(picture.case)
    return [picture for picture in known if picture.case in kept]


def _page(report: Report, cases: Sequence[Case], pictures: Sequence[Picture], most: int) -> bytes:
    style, script = (Markup(text) for text in _assets())
    shown = {picture.case for picture in pictures}
    bad = failing(report)
    page = _template().render(
        overview(report, most),
        style=style,
        script=script,
        style_hash=_digest(style),
        script_hash=_digest(script),
        data=_embedded(case_data(report, cases, most)),
        pictures=_embedded([picture_data(picture) | likeness(picture) for picture in pictures]),
        pictured=len(shown),
        unpictured=len({case.id for case in bad} - shown),
        mute=sum(case.status != "ok" for case in bad),
        dropped=len(report.pictures) - len(pictures),
        listed=len(cases),
        cut=most,
    )
    return page.encode()


def _embedded(value: Any) -> Markup:
    """Return JSON that is inert inside a script element."""
    return Markup(msgspec.json.encode(value).decode().translate(_ESCAPES))


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _file(name: str) -> str:
    return resources.files("clip_conformance.reports").joinpath("web", name).read_text(encoding="utf-8")


@functools.cache
def _assets() -> tuple[str, str]:
    scripts = "\n".join(map(_file, _SCRIPTS))
    return "\n".join(map(_file, _STYLES)), f'(() => {{\n"use strict";\n{scripts}}})();\n'


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_file("report.html.j2"))
