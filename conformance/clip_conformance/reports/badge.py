"""badge.json: the verdict as an endpoint of shields.io.

Put it where it is served, and show `https://img.shields.io/endpoint?url=` with its address.
"""

from typing import get_args

import msgspec

from clip_conformance.report import Report
from clip_spec import ScopeId

NAME = "badge.json"
_COLOURS = {"exact": "brightgreen", "equivalent": "green", "close": "yellow", "divergent": "red"}


class Badge(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What shields.io reads; it names the members."""

    schema_version: int = 1
    label: str = "CLIP preprocessing"
    message: str
    color: str


def badge(report: Report) -> bytes:
    """Return the badge of a report. It says more than the level only where less than everything was run."""
    summary = report.summary
    failed = not summary.passed
    where = f": {', '.join(summary.blame)}" if failed and summary.blame else ""
    part = _part(report)
    found = Badge(
        message=summary.level + where + (f" ({', '.join(part)})" if part else ""),
        color="red" if failed else _COLOURS[summary.level],
    )
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def _part(report: Report) -> list[str]:
    """Return what a run was limited to, for a badge must not claim the rest."""
    header = report.header
    said = []
    if report.summary.end_to_end is None:
        said.append(f"{', '.join(report.summary.stages) or 'no stage'} alone")
    if header.select:
        said.append(f"{len(report.cases)} cases")
    elif len(header.scopes) < len(get_args(ScopeId)):
        said.append(", ".join(header.scopes))
    return said
