"""junit.xml: a testcase for every stage of every case, for the test views of Jenkins, GitLab and GitHub.

The names are permanent: class `clip-conformance.SCOPE.WHAT`, where WHAT is a stage or `end_to_end`, name the id of the
case; an image that must be rejected is `end_to_end` alone. Nothing is ever written as skipped: an opt-out is no pass,
and a known divergence stays a failure.
"""

import dataclasses
import re
from collections.abc import Iterable
from xml.etree import ElementTree

from clip_conformance.check_ids import END_TO_END, check_id, checks_of, failing
from clip_conformance.records import Case, Check, Finding
from clip_conformance.render import figure
from clip_conformance.report import Report
from clip_conformance.scoring.levels import LEVELS
from clip_spec import LevelId

NAME = "junit.xml"
# Nobody looks at a message of more.
_TEXT = 4000
# Of more, units in the last place say nothing.
_ULP = 1 << 20
# What is no character of XML 1.0.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BROKEN = ("crash", "timeout", "error")


@dataclasses.dataclass(frozen=True)
class Testcase:
    """One testcase; `kind` is "" where it passes, else what is wrong: a level or a status."""

    what: str
    case: Case
    seconds: float = 0.0
    kind: str = ""
    message: str = ""
    text: str = ""

    @property
    def tag(self) -> str:
        """Return how it failed: "error" where the candidate broke, else "failure"; "" where it passes."""
        return "error" if self.kind in _BROKEN else "failure" if self.kind else ""


def junit(report: Report) -> bytes:
    """Return a report as JUnit XML, a suite for every scope."""
    root = ElementTree.Element("testsuites", name="clip-conformance")
    every: list[Testcase] = []
    for scope in report.header.scopes:
        found = [test for case in report.cases if case.scope == scope for test in of_case(case, report)]
        suite = ElementTree.SubElement(root, "testsuite", {"name": f"clip-conformance.{scope}", **_counts(found)})
        properties = ElementTree.SubElement(suite, "properties")
        for name, value in _properties(report):
            ElementTree.SubElement(properties, "property", name=_xml(name), value=_xml(value))
        for test in found:
            _append(suite, test)
        every += found
    root.attrib.update({name: value for name, value in _counts(every).items() if name != "skipped"})
    ElementTree.indent(root, " ")
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def of_case(case: Case, report: Report) -> list[Testcase]:
    """Return the testcases of a case, at least one; one of them fails where and only where the case does."""
    required = report.header.required
    missed, shown = failing(case, required), checks_of(case)
    for what in missed if case.checks else ():
        # A stage that is seen after others alone.
        shown.setdefault(what, _worst(case, what))
    if not shown:
        shown[case.checks[-1].stage] = case.checks[-1]
    found = [
        _judged(what, case, check, report) if what in missed else Testcase(what, case) for what, check in shown.items()
    ]
    if case.status != "ok" and END_TO_END not in missed:  # not even "divergent" is reached without an output
        found[-1] = _judged(found[-1].what, case, None, report)
    # Viewers add the times up.
    return [*found[:-1], dataclasses.replace(found[-1], seconds=case.seconds)]


def _worst(case: Case, stage: str) -> Check | None:
    found = [check for check in case.checks if check.stage == stage]
    return max(found, key=lambda check: LEVELS.index(check.level), default=None)


def _judged(what: str, case: Case, check: Check | None, report: Report) -> Testcase:
    """Return a test that fails: by a check, or without one where there was no output, or no refusal."""
    known, name = report.footer.known, check_id(case, what)
    remark = "known: " if known is not None and name not in {*known.unexpected, *known.worse} else ""
    findings = [one for one in report.footer.diagnosis if what in (END_TO_END, one.stage)]
    if check is not None:
        return _scored(what, case, check, report.header.required, findings, remark)
    kind = case.level if case.status == "ok" else case.status
    lines = [f"{case.id}: {case.message or kind}", *_advice(case, findings)]
    return Testcase(what, case, kind=kind, message=f"{remark}{kind}: {case.message}", text="\n".join(lines))


def _scored(what: str, case: Case, check: Check, required: LevelId, findings: list[Finding], remark: str) -> Testcase:
    figures = [f"{name} {figure(value)}" for name, value in _figures(check) if value is not None]
    numbers = f"{', '.join(figures)} LSB" if figures else ""
    seen = {
        "isolated": f"{check.stage}, alone on the canon's own input",
        "pinned": f"{check.stage}, seen end to end on a fixture that exercises it alone",
        "cumulative": f"{check.stage}, after all stages before it",
    }[check.view]
    lines = [f"{case.id}: {seen}", f"{check.level}, where {required} is required", numbers]
    if check.share is not None:
        lines.append(f"{check.share:.2%} of the samples differ")
    if check.ulp and check.ulp < _ULP:
        lines.append(f"largest error {check.ulp} units in the last place")
    lines += [check.note, *_advice(case, findings)]
    message = remark + ": ".join(filter(None, [f"{check.level}, {required} required", numbers or check.note]))
    return Testcase(what, case, kind=check.level, message=message, text="\n".join(filter(None, lines)))


def _figures(check: Check) -> Iterable[tuple[str, float | None]]:
    return ("peak", check.peak), ("mean", check.mean), ("bias", check.bias)


def _advice(case: Case, findings: list[Finding]) -> list[str]:
    told = [f"{finding.stage}: {finding.title} ({finding.fault})\nFix: {finding.fix}" for finding in findings]
    return [*told, f"more: clip-conformance show {case.fixture}"]


def _counts(found: list[Testcase]) -> dict[str, str]:
    return {
        "tests": str(len(found)),
        "failures": str(sum(test.tag == "failure" for test in found)),
        "errors": str(sum(test.tag == "error" for test in found)),
        "skipped": "0",
        "time": _time(sum(test.seconds for test in found)),
    }


def _append(suite: ElementTree.Element, test: Testcase) -> None:
    element = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"clip-conformance.{test.case.scope}.{test.what}",
        name=test.case.id,
        time=_time(test.seconds),
    )
    if test.tag:
        attributes = {"type": test.kind, "message": _xml(" ".join(test.message.split()))}
        ElementTree.SubElement(element, test.tag, attributes).text = _xml(test.text)


def _properties(report: Report) -> list[tuple[str, str]]:
    header = report.header
    return [
        *((f"candidate.{name}", value) for name, value in header.candidate.items()),
        ("suite", header.suite),
        ("spec", header.spec),
        ("model", header.model),
        ("n_px", ", ".join(map(str, header.n_px))),
        ("required", header.required),
        ("level", report.level),
        ("accepted", str(report.summary.accepted).lower()),
        ("blame", ", ".join(report.summary.blame)),
        *((f"environment.{name}", value) for name, value in header.environment.items()),
    ]


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"


def _xml(text: str) -> str:
    """Return text without what XML 1.0 cannot hold, cut where it is long."""
    return _NO_XML.sub("\ufffd", text if len(text) <= _TEXT else text[:_TEXT] + " ...")
