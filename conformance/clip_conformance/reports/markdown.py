"""summary.md: a report for a comment on a pull request or the summary of a CI job.

A report holds texts of the candidate's and may be anybody's: each is shown, and none becomes markup. They stand in code
spans, where GitHub and GitLab look for no mentions, references or links.
"""

from functools import partial

from clip_conformance.check_ids import what_of, worst_check
from clip_conformance.diagnosis.show import fixes, nothing_found
from clip_conformance.render import figure, verdict
from clip_conformance.report import Report
from clip_conformance.reports.markup import code, fenced, prose
from clip_conformance.reports.pictures import badness
from clip_conformance.reports.templates import rendered
from clip_conformance.scoring.levels import reaches

NAME = "summary.md"
# Bytes; a comment on GitHub takes 65536 characters.
_LARGEST = 60_000
# Characters of a text, fewer where that makes too large a page.
_ROOMS = (300, 80, 20)


def markdown(report: Report) -> bytes:
    """Return a report as Markdown, below 60 kB."""
    for room in _ROOMS:
        page = _page(report, room).encode()
        if len(page) <= _LARGEST:
            break
    return page


def _page(report: Report, room: int) -> str:
    summary = report.summary
    failing = [case for case in report.cases if case.status != "ok" or not reaches(case.level, summary.required)]
    rows = [*summary.stages.items(), *([("end to end", summary.end_to_end)] if summary.end_to_end else [])]
    return rendered(
        "summary.md",
        report=report,
        summary=summary,
        verdict=verdict(summary).plain,
        rows=rows,
        nothing=nothing_found(summary),
        code_of={fault: lines for fault, _, lines in fixes(summary)},
        failing=len(failing),
        worst=[(case, worst_check(case)) for case in sorted(failing, key=badness, reverse=True)[:10]],
        figure=figure,
        what_of=what_of,
        prose=partial(prose, room=room),
        code=partial(code, room=room),
        cell=partial(code, room=room, table=True),
        fenced=partial(fenced, room=room * 8),
    )
