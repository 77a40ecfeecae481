"""report.html without a browser: bounded, self-contained, the same every time, and no text of a candidate is markup."""

import base64
import json
import random
import re
import subprocess
import sys
from html.parser import HTMLParser

import msgspec
import pytest

import candidates
from clip_conformance import check
from clip_conformance.plain import plain
from clip_conformance.records import Case, Check, Choice, Finding, Footer, Header, Known, Picture, Recovered
from clip_conformance.report import Report
from clip_conformance.reports import files, html, lines
from clip_fixtures import fixtures

FEW = ("pin-values", "crop-right-*", "empty-width", "jpeg-420", "sides-640x480")
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)",
    "{{7*7}}{% raw %}",
    "a\u202eb\u2066c\u200fd",
    "e\x1b[31mf\x00g\x07h\x9bi\u2028j",
    "</title></style></pre><b>",
    "javascript:alert(1)",
    "\\u003cb\\u003e&lt;b&gt;&amp;",
)


@pytest.fixture(scope="module")
def report():
    return check(candidates.FloorCrop(), select=FEW, jobs=1)


class Page(HTMLParser):
    """The tags of a page in order, its attributes, its text, the contents of its scripts."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.attributes, self.words, self.scripts, self._in = [], [], [], [], None
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._in = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.tags.append(f"/{tag}")
        self._in = None

    def handle_data(self, data):
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in != "style":
            self.words.append(data)

    def embedded(self, place):
        return json.loads(self.scripts[place])


def made_up(said="harmless", *, cases=12, pictures=0, weight=0):
    """A report in which every text that a candidate can choose is `said`, and every figure is long."""
    draw = random.Random(7)
    slugs = list(fixtures())

    def one(number):
        slug = slugs[number % len(slugs)]
        stages = ("resize", "center_crop", "convert_rgb", "to_tensor", "normalize")
        checks = [
            Check(
                stage=stage,
                view=view,
                level="divergent",
                **{name: draw.random() * 100 for name in ("peak", "mean", "bias", "share", "peak_absolute")},
                ulp=draw.randrange(10**9),
                note=f"{number} {said}",
            )
            for view in ("cumulative", "isolated")
            for stage in stages
        ]
        status = ("ok", "crash", "error", "timeout")[number % 4] if pictures == 0 else "ok"
        n_px = (224, 288, 336, 384, 448)[number // len(slugs) % 5]
        return Case(
            id=f"{slug}@{n_px}" if number else said,
            fixture=slug,
            scope=fixtures()[slug].scope,
            mode=said if number == 1 else fixtures()[slug].mode,
            n_px=n_px,
            status=status,
            level="divergent",
            pins="",
            seconds=draw.random(),
            message=f"{number} {said}",
            checks=checks,
        )

    rows = [one(number) for number in range(cases)]
    header = Header(
        schema="clip-conformance/report/1",
        suite=said,
        spec=said,
        candidate={"name": said, "language": said, "version": said, said: said},
        environment={"python": said, said: said},
        notes=[said, f"{said} again"],
        model=said,
        n_px=[224, 288, 336, 384, 448] if cases > 404 else [224],
        fixtures=said,
        scopes=["arrays", "modes", "files"],
        stages=["resize", "center_crop", "convert_rgb", "to_tensor", "normalize"],
        required="equivalent",
        select=[said],
        expected=cases,
    )
    choice = Choice(stage="resize", what=said, canon=said, candidate=said)
    recovered = Recovered(
        verdict="reproduced", text=said, reproduced=3, compared=4, pipeline=[choice], unexplained=[said]
    )
    finding = Finding(fault=said, stage="resize", title=said, fix=said, residual=0.5, explained=1.0)
    footer = Footer(cases=cases, expected=cases, blame=["resize"], diagnosis=[finding], recovered=recovered)
    filler = base64.b64encode(draw.randbytes(max(weight * 3 // 16, 3))).decode()
    shown = [
        Picture(
            case=case.id,
            size=(400, 300),
            given=filler,
            window=(0, 0, 224, 224),
            expected=filler,
            shape=[3, 224, 224],
            unit=1 / 64,
            error=filler,
            got=filler,
        )
        for case in rows[:pictures]
    ]
    return Report(header, rows, footer, pictures=shown)


# Size.


def test_a_run_of_five_models_that_fails_everywhere_is_within_the_bound_with_all_its_pictures():
    report = made_up(cases=2020, pictures=64, weight=(6 << 20) // 64)
    assert sum(len(p.given + p.expected + p.error + p.got) for p in report.pictures) > 6.2e6
    page = html.render(report)
    assert len(page) < html.LIMIT == 10_000_000
    parsed = Page(page)
    assert len(parsed.embedded(0)["cases"]) == 2020
    assert len(parsed.embedded(1)) == 64


def test_pictures_that_do_not_fit_are_left_out_and_said_so():
    report = made_up(cases=404, pictures=64, weight=400_000)
    # The worst is the last one.
    worst = msgspec.structs.replace(
        report.cases[63], checks=[Check(stage="resize", view="isolated", level="divergent")]
    )
    report = Report(
        report.header, [*report.cases[:63], worst, *report.cases[64:]], report.footer, pictures=report.pictures
    )
    page = html.render(report)
    assert 9e6 < len(page) <= html.LIMIT
    parsed = Page(page)
    kept = [picture["case"] for picture in parsed.embedded(1)]
    assert 10 < len(kept) < 64
    assert worst.id in kept
    assert f"{64 - len(kept)} more were left out" in " ".join(parsed.words)


def test_texts_that_do_not_fit_are_cut_and_said_so():
    page = html.render(made_up(said="漢" * 30_000, cases=1000))
    assert "Texts are cut to 400 characters" in " ".join(Page(page).words)
    assert len(page) <= html.LIMIT


def test_more_cases_than_the_suite_has_are_left_out_and_said_so(monkeypatch):
    monkeypatch.setattr(html, "LIMIT", 1_000_000)
    page = html.render(made_up(cases=2020))
    assert len(page) <= html.LIMIT
    assert "Of 2020 cases the worst 1010 are listed" in " ".join(Page(page).words)


# What a candidate says.


def shape(page):
    return page.tags, [(tag, name) for tag, name, _ in page.attributes]


@pytest.mark.parametrize("said", HOSTILE)
def test_a_candidates_text_stays_text(said):
    harmless, page = Page(html.render(made_up())), Page(html.render(made_up(said)))
    assert shape(page) == shape(harmless)
    assert page.scripts[2] == harmless.scripts[2]
    data = page.embedded(0)
    shown = plain(said, 4000)
    assert {shown, f"0 {shown}"} <= set(data["texts"])
    assert shown in "".join(page.words)
    assert not re.search("[<>&\u2028]", page.scripts[0])
    assert "49" not in set(data["texts"])
    whole = html.render(made_up(said)).decode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", whole)


def test_hidden_characters_are_written_out():
    assert plain("a\u202eb\x1bc\x9bd\u2066", 99) == "a\\u202eb\\x1bc\\x9bd\\u2066"
    assert plain("tab\tline\nümlaut 漢字 🙂", 99) == "tab\tline\nümlaut 漢字 🙂"
    assert plain("x" * 50, 10) == "x" * 9 + "…"
    assert plain("\ud800", 9) == "\\ud800"


# Self-contained.


def test_nothing_is_loaded_and_only_its_own_script_may_run(report):
    content = html.render(report)
    page = Page(content)
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "style", "srcset", "action", "data", "background")
        if name == "href":
            assert value.startswith("#")
    text = content.decode()
    style = text[text.index("<style>") : text.index("</style>")]
    assert not re.search(r"url\(|@import|@font-face", style)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|import\(", page.scripts[2]
    )
    addresses = set(re.findall(r"https?://[^\"'\s<]+", page.scripts[2] + style))
    assert addresses == {"http://www.w3.org/2000/svg"}
    (policy,) = (value for tag, name, value in page.attributes if tag == "meta" and "default-src" in value)
    for name, inline in (("style-src", style.removeprefix("<style>")), ("script-src", page.scripts[2])):
        assert f"{name} '{html._digest(inline)}'" in policy
    assert policy.startswith("default-src 'none'; img-src data: blob:;")
    assert "unsafe" not in policy


def test_ids_are_unique_and_labels_point_at_something(report):
    page = Page(html.render(report))
    # The title of a case comes with the case.
    ids = ["detail-title", *(value for _, name, value in page.attributes if name == "id")]
    assert len(ids) == len(set(ids))
    for _, name, value in page.attributes:
        if name in ("aria-labelledby", "for"):
            assert value in ids
        if name == "href":
            assert value[1:] in ids
    opened = [tag for tag in page.tags if tag in ("section", "table", "ol", "ul", "dl", "div", "figure", "dialog", "p")]
    assert all(opened.count(tag) == page.tags.count(f"/{tag}") for tag in set(opened))
    assert page.tags.count("h1") == page.tags.count("main") == 1


# From the lines alone.


def test_the_same_lines_give_the_same_bytes(report, tmp_path):
    report.write(tmp_path)
    assert (tmp_path / html.NAME).read_bytes() == html.render(report) == html.render(lines.read(tmp_path))
    assert tmp_path / html.NAME in files.remake(lines.read(tmp_path), tmp_path)


def test_it_says_what_the_terminal_says(report):
    page = Page(html.render(report))
    words = " ".join(" ".join(page.words).split())
    for said in (
        "Leaves the canon at center_crop.",
        "Crop offset rounded down",
        "crop-floor in pillow",
        "crop offset half even floor",
        "leaves the canon here",
        f"{report.summary.reached} of {report.summary.cases} cases reach equivalent",
    ):
        assert said in words, said
    data = page.embedded(0)
    failing = {case.id for case in report.cases if case.level == "divergent"}
    assert {data["texts"][row[0]] for row in data["cases"] if row[7] > data["required"]} == failing
    assert {picture["case"] for picture in page.embedded(1)} == {picture.case for picture in report.pictures}


def test_a_pass_says_what_was_checked():
    report = check(candidates.sound, select=FEW, jobs=1)
    words = " ".join(" ".join(Page(html.render(report)).words).split())
    assert "Conforms." in words
    assert "bit for bit" in words
    assert "every case reaches equivalent" in words
    assert "No diagnosis" not in words


def test_a_run_in_which_everything_crashed_says_so():
    report = made_up()
    mute = [msgspec.structs.replace(case, status="crash", checks=[]) for case in report.cases]
    footer = msgspec.structs.replace(report.footer, blame=[], diagnosis=[], recovered=None)
    words = " ".join(" ".join(Page(html.render(Report(report.header, mute, footer))).words).split())
    assert "Gives no output on 12 of 12 cases." in words
    # Messages that differ in numbers are one; the first case has the message's word for an id.
    assert "11 × crash 1 harmless" in words


def test_a_run_of_nothing_is_a_page_too():
    report = made_up(cases=0)
    assert "Nothing was run." in " ".join(Page(html.render(report)).words)


def test_the_command_line_does_not_load_jinja():
    code = "import sys, clip_conformance.cli, clip_conformance.reports.files; print('jinja2' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_known_divergences_are_told():
    report = made_up()
    said = Known(file="known.toml", entries=5, idle=1, matched=3, unexpected=[], worse=[], stale=[], expired=[])
    for known, verdict in ((said, "accepted as known"), (msgspec.structs.replace(said, stale=["a/resize"]), "failed")):
        footer = msgspec.structs.replace(report.footer, known=known)
        words = " ".join(" ".join(Page(html.render(Report(report.header, report.cases, footer))).words).split())
        assert f"divergent {verdict}" in words
        assert "3 failing checks are known, of 5 entries; 1 entries are of cases that were not run." in words
        assert ("1 no longer fail: a/resize" in words) == bool(known.stale)
