"""The permanent ids of checks: a case and a stage, or a case from end to end."""

from clip_conformance.records import Case, Check
from clip_conformance.scoring.levels import LEVELS, reaches, worst
from clip_spec import LevelId, stage_ids

END_TO_END = "end_to_end"


def check_id(case: Case, what: str) -> str:
    """Return the id of a check: "crop-right-3@224/center_crop"."""
    return f"{case.id}/{what}"


def place(what: str) -> int:
    """Return where a check stands in its case: the stages in pipeline order, then end to end."""
    return stage_ids().index(what) if what in stage_ids() else len(stage_ids())


def checks_of(case: Case) -> dict[str, Check | None]:
    """Return a case's checks by what they speak of: a stage, seen alone or pinned, or end_to_end.

    None stands for an end without figures: there was no output, or an image had to be rejected.
    """
    found: dict[str, Check | None] = {}
    for check in case.checks:
        if check.view != "cumulative":
            found[check.stage] = check
    ends = [check for check in case.checks if check.view == "cumulative" and check.stage == "normalize"]
    if ends or case.status != "ok" or not case.checks:
        found[END_TO_END] = ends[0] if ends and case.status == "ok" else None
    return found


def worst_check(case: Case) -> Check | None:
    """Return the check that a case is listed under: the worst, of one level that of a stage seen alone."""

    def badness(check: Check) -> tuple[int, bool, bool, float, int]:
        alone = check.view != "cumulative"
        return LEVELS.index(check.level), alone, check.peak is None, check.mean or 0.0, -place(check.stage)

    return max(case.checks, key=badness, default=None)


def what_of(check: Check) -> str:
    """Return what a check speaks of, for a person: its stage, or where it inherits from others what it was seen at."""
    if check.view != "cumulative":
        return check.stage
    return "end to end" if check.stage == "normalize" else f"up to {check.stage}"


def failing(case: Case, required: LevelId) -> dict[str, LevelId]:
    """Return the level of every check that misses the required one, by what it speaks of; empty where none does."""
    levels = {what: case.level if check is None else check.level for what, check in checks_of(case).items()}
    missed = {what: level for what, level in levels.items() if not reaches(level, required)}
    if not missed and not reaches(case.level, required):
        # A stage is seen on the candidate's own earlier outputs alone.
        seen = {check.stage: worst(c.level for c in case.checks if c.stage == check.stage) for check in case.checks}
        missed = {stage: level for stage, level in seen.items() if not reaches(level, required)}
    return missed
