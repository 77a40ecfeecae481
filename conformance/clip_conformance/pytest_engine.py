"""One candidate in a pytest run: which tests there are, and each case run once, when its first test asks."""

from collections.abc import Sequence
from contextlib import ExitStack

import clip_spec
from clip_conformance.cases import case_id, choose, pinned_stage, targets
from clip_conformance.check_ids import END_TO_END
from clip_conformance.engine import SCOPES, open_runner
from clip_conformance.errors import UsageError
from clip_conformance.records import Case, Check
from clip_conformance.scoring.levels import reaches
from clip_fixtures import Fixture
from clip_spec import LevelId, ScopeId

REJECTED = "rejected"


class Engine:
    """The cases of one candidate and one model.

    Raises:
        UsageError: the candidate cannot start, or nothing is selected.
    """

    def __init__(
        self,
        candidate: str,
        *,
        model: str,
        scopes: Sequence[ScopeId] | None,
        globs: Sequence[str],
        required: LevelId,
        timeout: float,
    ) -> None:
        chosen = targets(model)
        if len(chosen) != 1:
            raise UsageError("--clip-model takes one model; run pytest once for each")
        self._target = chosen[0]
        self._required = required
        self._fixtures = {fixture.slug: fixture for fixture in choose(scopes or SCOPES, globs)}
        self._cases: dict[str, Case] = {}
        self._stack = ExitStack()
        self._runner = self._stack.enter_context(open_runner(candidate, cases=1, jobs=1, timeout=timeout))
        try:
            self._ready = self._stack.enter_context(self._runner.prepared(self._target))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the worker."""
        self._stack.close()

    def tests(self) -> list[tuple[str, str, str]]:
        """Return (fixture, what, id) of every test: a stage, end_to_end or rejected."""
        return [
            (fixture.slug, what, f"{case_id(fixture, self._target.n_px)}-{what}")
            for fixture in self._fixtures.values()
            for what in self._what(fixture)
        ]

    def about(self, slug: str, what: str) -> list[dict[str, str]]:
        """Return what -m may choose a test by: stage, scope and mode, then each mistake that it is there to catch.

        A mistake is caught at its stage, and from end to end.
        """
        fixture = self._fixtures[slug]
        stages = {fault.id: fault.stage for fault in clip_spec.faults()}
        caught = [fault for fault in fixture.catches if what in (stages.get(fault), END_TO_END, REJECTED)]
        told = {"stage": what, "scope": fixture.scope, "mode": fixture.mode}
        return [told, *({"fault": fault} for fault in caught)]

    def _what(self, fixture: Fixture) -> list[str]:
        if fixture.expect == "reject":
            return [REJECTED]
        stages = self._ready.scored
        seen = {*stages, *self._ready.stages}
        if stages == ["normalize"]:
            stages = []
        if self._ready.early_rgb and fixture.mode != "RGB":
            stages = [stage for stage in stages if stage not in ("resize", "center_crop")]
        pinned = pinned_stage(fixture, self._target.n_px)
        if self._ready.hides and pinned is not None and (pinned == "normalize" or pinned not in seen):
            stages = list(dict.fromkeys([pinned, *stages]))
        decode = ["decode"] if fixture.scope == "files" and "decode" in seen else []
        return [*decode, *stages, END_TO_END]

    def problem(self, slug: str, what: str) -> str:
        """Run a case, unless it was, and return in one line why a test fails; empty where it passes."""
        if slug not in self._cases:
            found = self._runner.run([self._fixtures[slug]], self._target.n_px, lambda case: None)
            self._runner.forget_finals()
            self._cases[slug] = found[0]
        case = self._cases[slug]
        if case.status != "ok":
            return f"{case.status}: {case.message}"
        if what == REJECTED:
            return "" if case.level == "exact" else case.message
        checks = [check for check in case.checks if _matches(check, what)]
        # A stage that was neither alone nor on the canon's input is seen end to end.
        checks = checks or [check for check in case.checks if check.stage == what]
        if not checks:
            return f"{what} was not scored"
        failing = [check for check in checks if not reaches(check.level, self._required)]
        return "; ".join(_line(check) for check in failing)


def _matches(check: Check, what: str) -> bool:
    if what == END_TO_END:
        return (check.stage, check.view) == ("normalize", "cumulative")
    return check.stage == what and check.view in ("isolated", "pinned")


def _line(check: Check) -> str:
    if check.peak is None:
        return f"{check.level}: {check.note}"
    return (
        f"{check.level}: peak {check.peak:.3g}, mean {check.mean:.3g}, bias {check.bias:.3g} LSB on "
        f"{check.share:.1%} of the samples"
    )
