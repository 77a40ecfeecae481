"""A file of known divergences as a file: what is read and refused, what is proposed, and how it is written."""

import datetime

import msgspec
import pytest

from clip_conformance import UsageError, known
from clip_conformance.known import Defaults, Entry, KnownFile, judge
from clip_conformance.records import Finding, Footer
from handmade import case, seen

TODAY = datetime.date(2030, 6, 1)
NEXT_YEAR = datetime.date(2031, 6, 1)
SAID = {"reason": "r", "url": "https://example.org/1", "owner": "me", "expires": NEXT_YEAR}
TOP = 'schema = "clip-conformance/known/1"\n'
DEFAULTS = '[defaults]\nreason = "r"\nurl = "https://example.org/1"\nowner = "me"\nexpires = 2031-06-01\n'


def read(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return known.read(path)


def refused(path, text):
    """What is said of a file that is not taken."""
    with pytest.raises(UsageError) as error:
        read(path, text)
    return str(error.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "known.toml"


# Read.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing required field `schema`"),
        ('schema = "clip-conformance/known/9"', "this version reads clip-conformance/known/1"),
        ("schema = ", "Invalid value"),
        (TOP + "wildcard = true", "unknown field `wildcard`"),
        (TOP + DEFAULTS + "[[known]]\nlevel = 'close'", "missing required field `check`"),
        (TOP + DEFAULTS + "[[known]]\ncheck = 'a@1/resize'\nlevel = 'fine'", "Invalid enum value 'fine'"),
        (TOP + DEFAULTS + "[[known]]\ncheck = 'a@1'", "entry 1 (a@1): no check"),
        (TOP + DEFAULTS + "[[known]]\ncheck = 'a*@1/resize'", "entry 1 (a*@1/resize): a pattern; name every check"),
        (TOP + DEFAULTS + 2 * "[[known]]\ncheck = 'a@1/resize'\n", "entry 2 (a@1/resize): a second time"),
        (TOP + DEFAULTS.replace('"r"', '" "') + "[[known]]\ncheck = 'a@1/resize'", "no reason; say why"),
        (TOP + DEFAULTS.replace('"me"', '""') + "[[known]]\ncheck = 'a@1/resize'", "no owner; say whose"),
        (TOP + DEFAULTS.replace("https", "ftp") + "[[known]]\ncheck = 'a@1/resize'", "no url; where"),
        (TOP + DEFAULTS.replace("expires = 2031-06-01\n", "") + "[[known]]\ncheck = 'a@1/resize'", "no expires; give"),
        (TOP + DEFAULTS.replace("2031-06-01", "'soon'") + "[[known]]\ncheck = 'a@1/resize'", "date"),
        (TOP + "x = " + "[" * 5000, "known.toml"),
        (TOP.encode() + b"# \xff", "invalid start byte"),
        (TOP + '"a\\nb" = 1', "unknown field `a b`"),
    ],
)
def test_a_file_that_lacks_something_is_one_line(text, said, path):
    message = refused(path, text)
    assert said in message
    assert "\n" not in message


def test_no_file(path):
    with pytest.raises(UsageError, match="--write-known FILE"):
        known.read(path)


def test_entries_take_from_the_defaults_what_they_do_not_say(path):
    (entry,) = read(
        path, TOP + DEFAULTS + "[[known]]\ncheck = 'a@1/resize'\nowner = 'you'\nexpires = 2030-01-01\n"
    ).known
    assert (entry.reason, entry.owner, entry.expires) == ("r", "you", datetime.date(2030, 1, 1))


def test_a_file_is_read_up_to_a_size(path):
    whole = TOP.encode() + b"#"
    assert read(path, whole.ljust(4 << 20, b"x")).known == []
    assert refused(path, whole.ljust((4 << 20) + 1, b"x")) == (
        f"{path} has 4 MiB, more than the 4 MiB that are read; `check --write-known FILE` proposes one"
    )


def test_a_line_may_have_so_many_dots(path):
    assert read(path, TOP + "#" + 60 * ".").known == []
    assert refused(path, TOP + "#" + 61 * ".") == (
        f"{path}, line 2: more than 60 dots in a line; break it, or leave some out"
    )


def test_a_check_has_at_most_two_hundred_characters(path):
    name = "a@1/".ljust(200, "x")
    assert read(path, TOP + DEFAULTS + f"[[known]]\ncheck = '{name}'").known[0].check == name
    assert "Expected `str` of length <= 200" in refused(path, TOP + DEFAULTS + f"[[known]]\ncheck = '{name}x'")


def test_what_is_quoted_of_a_file_is_short(path):
    long = 300 * "x"
    assert refused(path, f'schema = "{long}"') == (
        f"{path}: schema is {long[:79] + '…'!r}, this version reads clip-conformance/known/1"
    )
    assert refused(path, TOP + f'[[known]]\ncheck = "{long[:200]}"').startswith(
        f"{path}, entry 1 ({long[:99]}…): no check;"
    )


# What fails, by hand: three cases, each at another level, in two stages and end to end.

CASES = [
    case("a", seen("close", "resize", "isolated"), seen("close")),
    case("b", seen("divergent", "center_crop", "isolated"), seen("divergent")),
    case("c", seen("exact", "resize", "isolated"), seen("exact")),
]
MISSED = {
    "a@224/resize": "close",
    "a@224/end_to_end": "close",
    "b@224/center_crop": "divergent",
    "b@224/end_to_end": "divergent",
}


def judged(*entries):
    file = KnownFile(schema=known.KNOWN_SCHEMA, known=list(entries))
    return judge(file, "known.toml", CASES, "equivalent", TODAY)


def test_of_two_entries_for_a_check_the_more_lenient_counts():
    named = [Entry(check=name, level=level, **SAID) for name, level in MISSED.items()]
    strict = Entry(check="b@224/*", level="equivalent", **SAID)
    assert judged(*named).holds
    assert judged(*named, strict).holds
    assert judged(strict, *named).holds
    assert judged(*named[:2], strict).worse == ["b@224/center_crop", "b@224/end_to_end"]


def test_an_entry_without_a_last_day_never_expires():
    """As a file has none; one that is made by hand may."""
    assert judged(*(Entry(check=name, **(SAID | {"expires": None})) for name in MISSED)).holds


def test_a_pattern_is_idle_where_it_fits_no_case_that_was_run():
    named = [Entry(check=name, **SAID) for name in MISSED]
    assert judged(*named, Entry(check="d*/resize", **SAID)).idle == 1
    assert judged(*named, Entry(check="c*/resize", **SAID)).stale == ["c*/resize"]


# Proposed.


def footer(*faults):
    told = {"title": "T", "fix": "", "residual": 0.0, "explained": 1.0}
    findings = [Finding(fault=fault, stage=stage, **told) for fault, stage in faults]
    return Footer(cases=3, expected=3, blame=[], diagnosis=findings)


def test_a_proposal_gives_every_check_its_level_and_the_reason_of_its_stage():
    proposed = known.propose(
        CASES, footer(("filter-bilinear", "resize"), ("crop-floor", "center_crop")), "equivalent", TODAY
    )
    assert {entry.check: entry.level for entry in proposed.known} == MISSED
    reasons = {entry.check: entry.reason for entry in proposed.known}
    assert reasons == {
        "a@224/resize": "filter-bilinear: T",
        "a@224/end_to_end": "",
        "b@224/center_crop": "crop-floor: T",
        "b@224/end_to_end": "",
    }
    assert {entry.check for entry in proposed.known if entry.url.startswith("https://")} == {
        "a@224/resize",
        "b@224/center_crop",
    }
    assert proposed.defaults == Defaults(
        reason="filter-bilinear: T; crop-floor: T", expires=TODAY + datetime.timedelta(days=180)
    )
    assert not proposed.wildcards


def test_what_an_old_entry_covers_is_not_proposed_again():
    old = KnownFile(
        schema=known.KNOWN_SCHEMA,
        known=[
            Entry(check="a@224/*", **SAID),
            Entry(check="c@224/resize", **SAID),
            Entry(check="z@224/resize", **SAID),
        ],
    )
    proposed = known.propose(CASES, footer(), "equivalent", TODAY, old)
    assert [entry.check for entry in proposed.known] == [
        "a@224/*",
        "z@224/resize",
        "b@224/center_crop",
        "b@224/end_to_end",
    ]
    assert proposed.defaults == old.defaults


# Written.

WRITTEN = """\
# Checks that may fail. One that no longer fails, and one whose day is over, fails the run.
schema = "clip-conformance/known/1"
wildcards = true

# For every entry that does not say so itself; all four have to be there.
[defaults]
reason = "r"
url = "https://example.org/1"
owner = ""
expires = 2031-06-01

[[known]]
check = "a@1/resize"
level = "divergent"

[[known]]
check = "b*@1/resize"
level = "close"
reason = "another"
owner = "you"
expires = 2030-06-01
"""


def test_an_entry_is_written_without_what_the_defaults_say():
    defaults = Defaults(reason="r", url="https://example.org/1", expires=NEXT_YEAR)
    entries = [
        Entry(check="a@1/resize", reason="r", url="https://example.org/1", expires=NEXT_YEAR),
        Entry(check="b*@1/resize", level="close", reason="another", owner="you", expires=TODAY),
    ]
    file = KnownFile(schema=known.KNOWN_SCHEMA, wildcards=True, defaults=defaults, known=entries)
    assert known.encode(file).decode() == WRITTEN
    plain = msgspec.structs.replace(file, wildcards=False, defaults=Defaults(), known=[])
    assert known.encode(plain).decode() == (
        WRITTEN.split("expires")[0]
        .replace("wildcards = true\n", "")
        .replace('"r"', '""')
        .replace('"https://example.org/1"', '""')
    )


def test_text_is_quoted_as_toml(path):
    odd = 'a "quote", a \\ and\na line \x7f \u202e é'
    file = KnownFile(schema=known.KNOWN_SCHEMA, known=[Entry(check="a@1/resize", **(SAID | {"reason": odd}))])
    assert read(path, known.encode(file)).known[0].reason == odd
