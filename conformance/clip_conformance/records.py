"""The lines of report.jsonl: a header, one line a case, pictures of some that fail, a footer."""

from typing import Annotated, Literal

import msgspec

from clip_spec import LevelId, ScopeId, StageId

REPORT_SCHEMA = "clip-conformance/report/1"
# JSON has whole numbers of thousands of digits.
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
Status = Literal["ok", "skipped", "rejected", "error", "crash", "timeout", "missing"]
# "pinned" is how a black box is seen: end to end, on a fixture that exercises one stage alone.
CheckView = Literal["isolated", "cumulative", "pinned"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of one case, seen in one way; figures as in scoring.compare.Deviation, None where there is none."""

    stage: StageId
    view: CheckView
    level: LevelId
    peak: float | None = None
    mean: float | None = None
    bias: float | None = None
    share: float | None = None
    peak_absolute: float | None = None
    ulp: Count | None = None
    note: str = ""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="header", tag_field="type"):
    """What was run, on what, with which suite.

    `notes` are the candidate's own remarks, and the suite's on cases with another answer the second time. `fixtures`
    is the digest of the golden digests that were scored against.
    """

    schema: str
    suite: str
    spec: str
    candidate: dict[str, str]
    environment: dict[str, str]
    notes: list[str]
    model: str
    n_px: list[Count]
    fixtures: str
    scopes: list[ScopeId]
    stages: list[StageId]
    required: LevelId
    select: list[str]
    expected: Count


class Case(msgspec.Struct, frozen=True, kw_only=True, tag="case", tag_field="type"):
    """One fixture at one n_px.

    `level` is the worst of the checks where `status` is "ok" and "divergent" otherwise. `pins` is the one stage that
    the fixture exercises for a black box, "" for several. `seconds` is what the candidate took for its answers. A case
    that must be rejected and was is "ok" and "exact".
    """

    id: str
    fixture: str
    scope: ScopeId
    mode: str
    n_px: Count
    status: Status
    level: LevelId
    pins: str
    seconds: float
    message: str = ""
    checks: list[Check] = []


class Picture(msgspec.Struct, frozen=True, kw_only=True, tag="picture", tag_field="type"):
    """What a failing case looks like end to end, in a part of at most 256 pixels a side.

    `given` is the image that the candidate had, of at most 160 pixels a side; `size` is its real width and height.
    `window` is the part of the canon's image that is shown (left, top, right, bottom), `expected` that part.
    `error` holds the candidate's samples minus the canon's, int16 [H, W, 3] in `unit` LSB, little-endian, deflated;
    empty where the candidate's image has another `shape`, or shows no numbers; `got` then is its image, if it is one.
    Pictures are PNG; all are in base64.
    """

    case: str
    size: tuple[Count, Count]
    given: str
    window: tuple[Count, Count, Count, Count]
    expected: str
    shape: list[Count]
    unit: float
    error: str
    got: str


class Footer(msgspec.Struct, frozen=True, kw_only=True, tag="footer", tag_field="type"):
    """The end of a report: how many cases it holds, and how many were expected; blame and diagnosis.

    Fewer cases than expected are those of a run that was ended: a partial report.
    """

    cases: Count
    expected: Count
    blame: list[StageId]
    diagnosis: list["Finding"] = []
    recovered: "Recovered | None" = None
    known: "Known | None" = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A mistake that explains cases: `explained` is the share of those that differ which the diagnosis reproduces.

    `residual` is the largest mean difference of a reproduced case, in LSB.
    """

    fault: str
    stage: StageId
    title: str
    fix: str
    residual: float
    explained: float


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One choice in which the recovered pipeline is not the canon's."""

    stage: StageId
    what: str
    canon: str
    candidate: str


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """The pipeline that explains a candidate best, and how far it does.

    `verdict` is "reproduced" where its simulation gives the candidate's outputs, "guess" where it gives part of them,
    "unknown" where it does not. `text` says so in a line. Of `compared` cases with an output it gives `reproduced`, to
    `residual` LSB; the others are `away` LSB off on average (None: of another shape, or there are none).
    `unexplained` are the worst of them.
    """

    verdict: Literal["reproduced", "guess", "unknown"]
    text: str
    reproduced: Count = 0
    compared: Count = 0
    residual: float = 0.0
    away: float | None = None
    pipeline: list[Choice] = []
    unexplained: list[str] = []


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of known divergences says of a run, in ids of checks.

    Of its `entries`, `idle` ones speak of cases that were not run, `stale` ones of checks that no longer fail,
    `expired` ones of checks that may not fail any more. `matched` failing checks are known, `unexpected` ones are not,
    and `worse` ones are known at a stricter level than they reach.
    """

    file: str
    entries: Count
    idle: Count
    matched: Count
    unexpected: list[str]
    worse: list[str]
    stale: list[str]
    expired: list[str]

    @property
    def holds(self) -> bool:
        """Return whether all that fails is known, and all that is known fails."""
        return not (self.unexpected or self.worse or self.stale or self.expired)


Line = Header | Case | Picture | Footer
