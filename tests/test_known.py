"""Known divergences: what lets a run through, what fails it, and the file that is proposed."""

import datetime
import tomllib

import msgspec
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import candidates
import clip_spec
from clip_conformance import UsageError, check, known
from clip_conformance.check_ids import END_TO_END, check_id, checks_of, failing
from clip_conformance.cli import cli
from clip_conformance.known import Entry, KnownFile, judge
from clip_conformance.scoring.levels import reaches

FEW = ("pin-values", "crop-right-*", "sides-640x480", "uint16-down", "jpeg-420", "*truncated*")
TODAY = datetime.date(2030, 6, 1)
NEXT_YEAR = datetime.date(2031, 6, 1)
SAID = {"reason": "r", "url": "https://example.org/1", "owner": "me", "expires": NEXT_YEAR}


@pytest.fixture(scope="module")
def report():
    return check(candidates.FloorCrop(), select=FEW, jobs=1)


def missed(report):
    return {check_id(case, what): level for case in report.cases for what, level in failing(case, "equivalent").items()}


def judged(report, *entries, wildcards=False, today=TODAY):
    file = KnownFile(schema=known.KNOWN_SCHEMA, wildcards=wildcards, known=list(entries))
    return judge(file, "known.toml", report.cases, "equivalent", today)


def entries(report, **other):
    return [Entry(check=name, level=level, **(SAID | other)) for name, level in missed(report).items()]


# Ids.


def test_every_case_that_fails_has_a_check_that_does(report):
    assert report.summary.counts["divergent"] > 0
    for case in report.cases:
        assert bool(failing(case, "equivalent")) == (not reaches(case.level, "equivalent"))


def test_a_stage_and_the_end_have_ids_of_their_own(report):
    case = next(case for case in report.cases if case.id == "crop-right-3@224")
    assert set(failing(case, "equivalent")) == {"center_crop", END_TO_END}
    assert list(checks_of(case)) == ["resize", "center_crop", "convert_rgb", "to_tensor", "normalize", END_TO_END]
    crashed = msgspec.structs.replace(case, status="crash", checks=[], level="divergent")
    assert failing(crashed, "close") == {END_TO_END: "divergent"}


def test_a_stage_that_was_seen_on_earlier_outputs_alone_fails_by_itself(report):
    case = next(case for case in report.cases if case.id == "crop-right-3@224")
    alone = [check for check in case.checks if check.view == "cumulative" and check.stage == "center_crop"]
    assert failing(msgspec.structs.replace(case, checks=alone), "equivalent") == {"center_crop": "divergent"}


# The verdict.


def test_all_that_fails_is_known(report):
    held = judged(report, *entries(report))
    assert held.holds
    assert (held.entries, held.matched, held.idle) == (len(missed(report)), len(missed(report)), 0)


def test_what_is_not_known_fails(report):
    first, *others = entries(report)
    held = judged(report, *others)
    assert (held.holds, held.unexpected) == (False, [first.check])


def test_an_entry_that_no_longer_fails_is_stale(report):
    held = judged(report, *entries(report), Entry(check="pin-values@224/normalize", **SAID))
    assert (held.holds, held.stale, held.unexpected) == (False, ["pin-values@224/normalize"], [])


def test_an_entry_of_a_case_that_was_not_run_is_idle(report):
    held = judged(report, *entries(report), Entry(check="tall-noise@224/resize", **SAID))
    assert (held.holds, held.idle) == (True, 1)


@pytest.mark.parametrize(("today", "holds"), [(NEXT_YEAR, True), (NEXT_YEAR + datetime.timedelta(days=1), False)])
def test_an_entry_holds_until_the_end_of_its_day(report, today, holds):
    held = judged(report, *entries(report), today=today)
    assert held.holds == holds
    assert set(held.expired) == (set() if holds else set(missed(report)))


def test_an_entry_allows_no_worse_level_than_it_names(report):
    held = judged(report, *entries(report)[1:], msgspec.structs.replace(entries(report)[0], level="close"))
    assert (held.holds, held.worse) == (False, [entries(report)[0].check])


def test_patterns_are_taken_where_the_file_says_so(report):
    every = Entry(check="*", level="divergent", **SAID)
    assert judged(report, every, wildcards=True).holds
    crops = Entry(check="crop-*@224/*", level="divergent", **SAID)
    held = judged(report, crops, Entry(check="tall-*@224/resize", **SAID), wildcards=True)
    assert held.idle == 1
    assert held.unexpected == [name for name in missed(report) if not name.startswith("crop-")]
    assert judged(report, every, Entry(check="pin-*@224/*", **SAID), wildcards=True).stale == ["pin-*@224/*"]


def test_known_failures_never_count_as_passes(report, tmp_path):
    path = tmp_path / "known.toml"
    path.write_bytes(known.encode(KnownFile(schema=known.KNOWN_SCHEMA, known=entries(report))))
    held = check(candidates.FloorCrop(), select=FEW, jobs=1, known=path)
    assert (held.summary.passed, held.summary.accepted, held.level) == (False, True, "divergent")
    assert (held.summary.reached, held.summary.counts) == (report.summary.reached, report.summary.counts)
    with pytest.raises(AssertionError):
        held.require("equivalent")
    mended = check("pillow", select=FEW, jobs=1, known=path)
    assert (mended.summary.passed, mended.summary.accepted) == (True, False)


# The file.


def test_a_proposal_names_what_fails_and_why_and_asks_for_an_owner(report, tmp_path):
    proposed = known.propose(report.cases, report.footer, "equivalent", TODAY)
    path = tmp_path / "known.toml"
    path.write_bytes(known.encode(proposed))
    read = tomllib.loads(path.read_text())
    Draft202012Validator(clip_spec.schema("known")).validate(
        msgspec.to_builtins(msgspec.convert(read, KnownFile), builtin_types=())
    )
    assert {entry["check"]: entry["level"] for entry in read["known"]} == missed(report)
    crop = next(entry for entry in read["known"] if entry["check"] == "crop-right-3@224/center_crop")
    assert (read["defaults"] | crop)["reason"].startswith("crop-floor: ")
    assert crop["url"].startswith("https://")
    assert read["defaults"]["expires"] == TODAY + datetime.timedelta(days=180)
    with pytest.raises(UsageError, match="no owner"):
        known.read(path)
    filled = path.read_text().replace('owner = ""', 'owner = "me"').replace('url = ""', 'url = "https://example.org"')
    path.write_text(filled)
    assert judge(known.read(path), "known.toml", report.cases, "equivalent", TODAY).holds


def test_a_proposal_keeps_what_was_said_and_drops_what_no_longer_fails(report):
    first, *others = entries(report, reason="told")
    old = KnownFile(schema=known.KNOWN_SCHEMA, known=[first, Entry(check="pin-values@224/normalize", **SAID)])
    again = known.propose(report.cases, report.footer, "equivalent", TODAY, old)
    assert [entry.check for entry in again.known] == list(missed(report))
    assert again.known[0] == first
    assert others[0].check == again.known[1].check
    assert again.known[1].owner == ""


def test_a_proposal_keeps_entries_of_cases_that_were_not_run_and_patterns_that_hold(report):
    others = [Entry(check="photo-coffee@224/resize", **SAID), Entry(check="pin-none-*@224/*", **SAID)]
    pattern = Entry(check="crop-right-*/center_crop", **SAID)
    idle = Entry(check="pin-value*/normalize", **SAID)
    old = KnownFile(schema=known.KNOWN_SCHEMA, wildcards=True, known=[*others, pattern, idle])
    again = known.propose(report.cases, report.footer, "equivalent", TODAY, old)
    assert again.wildcards
    assert again.known[:3] == [*others, pattern]
    covered = {check for check in missed(report) if check.startswith("crop-right-") and check.endswith("/center_crop")}
    assert {entry.check for entry in again.known[3:]} == missed(report).keys() - covered
    assert covered


# The command.


def run(*words):
    return CliRunner().invoke(cli, ["check", *words, "--no-diagnosis"], standalone_mode=False)


def test_the_command_from_a_proposal_to_a_gate(tmp_path):
    path = tmp_path / "known.toml"
    words = [f"{candidates.__file__}:FloorCrop", "--select", "crop-right-*"]
    proposal = run(*words, "--write-known", str(path))
    assert proposal.return_value == 1
    assert f"known divergences to {path}; fill in reason, url, owner under [defaults]" in proposal.output
    # A proposal that nobody has filled in is none for a gate, and is proposed again.
    assert run(*words, "--write-known", str(path)).return_value == 1
    for name in ("reason", "url", "owner"):
        path.write_text(path.read_text().replace(f'{name} = ""', f'{name} = "https://example.org/"'))
    gate = run(*words, "--known", str(path))
    assert gate.return_value == 0
    assert gate.output.strip().splitlines()[-1].startswith("DIVERGENT, AS KNOWN: ")
    path.write_text(path.read_text().replace("crop-right-3@224/center_crop", "crop-right-4@224/center_crop"))
    gate = run(*words, "--known", str(path))
    assert gate.return_value == 1
    assert "known.toml: crop-right-3@224/center_crop fails and is not in it" in gate.output
    assert "known.toml: crop-right-4@224/center_crop no longer fails; take it out" in gate.output
    assert gate.output.strip().splitlines()[-1].endswith("known.toml does not hold.")
    again = run(*words, "--write-known", str(path))
    assert "fill in" not in again.output
    assert run(*words, "--known", str(path)).return_value == 0
