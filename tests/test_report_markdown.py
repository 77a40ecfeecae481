"""summary.md: what it says, that it is small, and that no text of a candidate becomes markup, a mention or a link."""

import html.parser
import re

import msgspec
import pytest
from markdown_it import MarkdownIt

import candidates
from clip_conformance import check
from clip_conformance.records import Choice, Finding
from clip_conformance.report import Report
from clip_conformance.reports.markdown import NAME, code, markdown, prose

FEW = ("pin-values", "crop-right-*", "empty-width", "jpeg-420")
HOSTILE = {
    "bars": "a | b || c \\| d \\\\| e |",
    "backticks": "` `` ``` `````` `x`",
    "lines": "one\n\n# two\r\n| --- |\u2028> three\x0b- four",
    "an image": "<img src=x onerror=alert(1)>",
    "a script": "</code></summary></details><script>alert(1)</script>",
    "a comment": "<!-- everything after this --> <!--",
    "mentions": "@everyone ping @octocat/team, a@example.org",
    "references": "#1 octocat/hello#23 GH-4",
    "a link": "[x](javascript:alert(1)) ![y](http://example.org/y.png) [z]: http://example.org",
    "addresses": "https://example.org www.example.org http&#58;//example.org <http://example.org>",
    "entities": "&lt;b&gt; &#60;script&#62;",
    "emphasis": "**bold** _it_ ~~gone~~ $x^2$ :tada:",
    "fences": "```\n</details>\n~~~\n",
    "hidden": "\u202egnp.exe\u200b\u2066\x1b[31m\x00",
    "a list": "1. one",
    "a long list": "123456789) one",
    "another list": "- one",
    "a heading": "=====",
    "words": "snake_case and _two_ words: 1.5 - 2 (a/b) :tada: __init__.py:f",
    "a backslash": "\\",
    "nothing": "",
    "long": "w|`" * 10**5,
    "wide": "\U0001f600" * 10**5,
}
TAGS = {
    *("h3", "h4", "p", "strong", "b", "em", "table", "thead", "tbody", "tr", "th", "td"),
    *("code", "pre", "details", "summary", "ul", "li"),
}


class Page(html.parser.HTMLParser):
    """What a renderer made: tags, texts outside of code, rows of tables."""

    def __init__(self, document):
        super().__init__()
        self.tags, self.attributes, self.loose, self.text = set(), set(), [], []
        self.codes, self.rows, self._open, self.balance = [], [], [], []
        self.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(document))
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "code":
            self.codes.append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_comment(self, data):
        raise AssertionError(data)

    def handle_data(self, data):
        self.text.append(data)
        if "code" in self._open:
            self.codes[-1] += data
        else:
            self.loose.append(data)
        if self._open and {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data


def safe(document):
    """Render a page and hold that nothing but its own markup is in it."""
    found = Page(document)
    assert found.tags <= TAGS
    assert found.attributes <= {"open", "style"}
    widths = [len(row) for row in found.rows]
    assert set(widths) <= {4, 7, 8}
    loose = "".join(found.loose)
    assert not re.search(r"@\w|#\d|://|www\.|\bgh-\d", loose, re.IGNORECASE)
    return found


@pytest.fixture(scope="module")
def report():
    return check(candidates.FloorCrop(), select=FEW, jobs=1, pictures=False)


def test_it_says_what_a_reviewer_needs(report):
    found = safe(markdown(report).decode())
    text = " ".join("".join(found.text).split())
    assert "CLIP preprocessing: divergent" in text
    assert "FloorCrop leaves the canon at center_crop; 14 of 20 cases reach equivalent." in text
    assert "Crop offset rounded down" in text
    assert "Fix: Round half to even: d // 2" in text.replace("\u200b", "")
    assert any("round((side - n_px) / 2)" in code for code in found.codes)
    assert ["center_crop", "divergent", "19", "13", "255", "85.64", "-0.03", "crop-right-3@224"] in [
        [cell.strip() for cell in row] for row in found.rows
    ]
    assert ["center_crop", "crop offset", "half even", "floor"] in found.rows
    assert "6 failing cases" in text
    assert any(row[0] == "crop-right-far@224" and row[2] == "divergent" for row in found.rows)
    assert f"Pillow {report.header.environment['Pillow']}" in found.codes


def test_a_pass_says_so_and_no_more():
    passing = check("pillow", select=FEW, jobs=1)
    text = "".join(safe(markdown(passing).decode()).text)
    assert "✅ CLIP preprocessing: exact" in text
    assert "bit for bit: your preprocessing is not the cause" in text
    assert "Diagnosis" not in text
    assert "failing" not in text


@pytest.mark.parametrize("name", ["aborts_on_crop", "refuses_crop", "raises", "with_nan"])
def test_what_has_no_output_is_among_the_worst(name):
    failing = check(getattr(candidates, name), select=("pin-values", "crop-right-3"), jobs=1, diagnose=False)
    found = safe(markdown(failing).decode())
    status = next(case.status for case in failing.cases if case.fixture == "crop-right-3")
    assert status != "ok" or name == "with_nan"
    row = next(row for row in found.rows if row[0] == "crop-right-3@224")
    assert row[2] == (status if status != "ok" else "divergent")


def test_all_models():
    everywhere = check(candidates.any_n_px, "all", select=("pin-values",), jobs=1)
    assert "".join(safe(markdown(everywhere).decode()).text).count("5 of 5 cases") == 1


def saying(report, text):
    """The report of a candidate that says `text` wherever it has a say, and wherever a forged report could."""
    cases = []
    for case in report.cases:
        checks = [msgspec.structs.replace(check, note=text) for check in case.checks]
        cases.append(msgspec.structs.replace(case, id=text or case.id, checks=checks, message=text))
    cases[0] = msgspec.structs.replace(cases[0], status="error", level="divergent", checks=[])
    said = {"name": text, "language": "python", **{f"{text}{number}": text for number in range(50)}}
    header = msgspec.structs.replace(
        report.header, candidate=said, environment=said, notes=[text] * 20, suite=text, spec=text, model=text
    )
    finding = Finding(fault=text, stage="resize", title=text, fix=text, residual=0.0, explained=1.0)
    choice = Choice(stage="resize", what=text, canon=text, candidate=text)
    recovered = msgspec.structs.replace(report.footer.recovered, text=text, pipeline=[choice] * 30)
    footer = msgspec.structs.replace(report.footer, diagnosis=[finding] * 12, recovered=recovered)
    return Report(header, cases, footer)


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_becomes_markup(kind, report):
    page = markdown(saying(report, HOSTILE[kind]))
    assert len(page) < 60_000
    plain = saying(report, "plain")
    found, harmless = safe(page.decode()), safe(markdown(plain).decode())
    if kind not in ("long", "wide"):
        assert [len(row) for row in found.rows] == [len(row) for row in harmless.rows]
        assert found.tags <= harmless.tags
        assert len([line for line in page.splitlines() if line]) <= len(markdown(plain).splitlines())
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x09\x0b-\x1f]", page.decode())


@pytest.mark.parametrize(
    "kind", [kind for kind in HOSTILE if kind not in ("lines", "fences", "hidden", "long", "wide", "nothing")]
)
def test_what_was_said_can_be_read(kind):
    text = HOSTILE[kind]
    found = Page(f"| a |\n|---|\n| {code(text, 300, table=True)} |\n\n{code(text, 300)}\n\n{prose(text, 300)}\n")
    cell, span = found.rows[1][0], found.codes[-1]
    paragraph = "".join(found.loose).strip().splitlines()[-1]
    assert cell.replace("\u200b", "") == text
    assert span == text
    assert paragraph.replace("\u200b", "") == text


def test_nothing_is_nothing():
    assert code("", 300) == code(" ", 300) == prose("", 300) == ""


def test_long_texts_are_cut():
    assert code("x" * 500, 20) == f"`{'x' * 19}…`"


def test_it_is_one_of_the_files_of_a_report(report, tmp_path):
    report.write(tmp_path)
    assert (tmp_path / NAME).read_bytes() == markdown(report)
