"""The parsers of files that anybody may have written: the corpus again, hostile documents, traps beside them."""

import pickle
import random
import warnings
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from parsers import PARSERS
from parsers_mutations import PATHS, mutate, npy
from parsers_watch import (
    CORPUS,
    LONGEST,
    Document,
    Parser,
    attempt,
    bomb,
    corpus,
    judge,
    lured,
    room,
    seeds,
    sprung,
    traps,
)

DOCUMENTS = [(parser, document) for parser in PARSERS for document in parser.documents]
NAMES = {parser.name: parser for parser in PARSERS}


def named(pairs):
    return [pytest.param(*pair, id=f"{pair[0].name}-{pair[1].name}") for pair in pairs]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """A room for each parser; what is tried there leaves it as it was."""
    made = {}

    def get(parser):
        if parser.name not in made:
            made[parser.name] = room(parser, tmp_path_factory.mktemp(parser.name) / "room")
        return made[parser.name]

    return get


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_what_the_project_writes_is_accepted(parser, rooms):
    assert judge(parser, rooms(parser)).kind == "accepted"


# The corpus.


@pytest.mark.parametrize(("parser", "document"), named(DOCUMENTS))
def test_the_corpus_finds_nothing(parser, document, rooms):
    files = corpus(parser, document)
    assert files
    for mended in (False, True) if parser.mend else (False,):
        found = {name: attempt(parser, rooms(parser), document, content, mended) for name, content in files.items()}
        assert {name: outcome.said for name, outcome in found.items() if outcome.kind == "finding"} == {}


def test_the_corpus_is_small_and_every_file_of_it_is_read():
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert len(files) < 150
    assert sum(path.stat().st_size for path in files) < 200 << 10
    known = {CORPUS / parser.name / document.name for parser, document in DOCUMENTS}
    assert {path.parent for path in files} <= known


# Documents that are made hostile.


@pytest.mark.parametrize(("parser", "document"), named(DOCUMENTS))
def test_a_hostile_document_finds_nothing(parser, document, rooms):
    place = rooms(parser)
    others = seeds(parser, place)[document.name]

    @settings(
        max_examples=max(25, 90 // len(parser.documents)),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(rng=st.randoms(use_true_random=False))
    def tried(rng):
        content = mutate(rng, document.kind, others[rng.randrange(len(others))], others)
        found = attempt(parser, place, document, content, parser.mend is not None and rng.randrange(10) < 7)
        note(f"{content[:2000]!r}")
        assert found.kind != "finding", found.said

    tried()


# Traps: files replaced, paths that lead elsewhere.


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_what_lies_in_place_of_a_file_is_not_followed_and_not_unpickled(parser, tmp_path):
    found = {
        f"{file}: {what}": sprung(parser, tmp_path / str(number), file, how)
        for number, (file, what, how) in enumerate(traps(parser))
    }
    assert {what: outcome.said for what, outcome in found.items() if outcome.kind == "finding"} == {}


@pytest.mark.parametrize("parser", [parser for parser in PARSERS if parser.named], ids=lambda parser: parser.name)
def test_a_path_in_a_document_leads_nowhere_else(parser, tmp_path):
    rooms = ((place, path) for place in parser.named for path in PATHS)
    found = {
        f"{number} {path[:60]}": lured(parser, tmp_path / str(number), place, path)
        for number, (place, path) in enumerate(rooms)
    }
    assert {what: outcome.said for what, outcome in found.items() if outcome.kind == "finding"} == {}


@pytest.mark.parametrize(("parser", "document"), named(DOCUMENTS))
def test_a_pickle_is_never_loaded(parser, document, rooms, tmp_path):
    objects = "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"
    for content in (bomb(tmp_path / "mark"), npy(objects, bomb(tmp_path / "mark"))):
        assert attempt(parser, rooms(parser), document, content).kind != "finding"
        assert not (tmp_path / "mark").exists()


# The harness itself.


def reads(tmp_path, read, **options):
    """What comes of a parser of one file that is read by `read`."""
    document = Document("d", "d", "bytes")
    parser = Parser("made-up", lambda folder: (folder / "d").write_bytes(b"x"), (document,), read, **options)
    return judge(parser, room(parser, tmp_path / "room"))


def outside(folder):
    return (folder.parent / "outside" / "d").read_text()


def by_a_link(folder):
    (folder.parent / "scratch" / "link").symlink_to(folder.parent / "outside")
    return (folder.parent / "scratch" / "link" / "d").read_text()


def unpickled(folder):
    return pickle.loads(bomb(folder.parent / "scratch" / "mark")) or []


def endless(folder):
    while True:
        pass


def endlessly(folder):
    return endlessly(folder)


def warned(folder):
    warnings.warn("look", stacklevel=1)
    return []


BAD = {
    "another exception": (lambda folder: int("no number"), "ValueError"),
    "no end of calls": (endlessly, "RecursionError"),
    "two lines": (lambda folder: ["a\nb"], "no short printable line"),
    "another direction": (lambda folder: ["a\u202eb"], "no short printable line"),
    "control characters": (lambda folder: ["a\x1b[2Jb"], "no short printable line"),
    "nothing": (lambda folder: [""], "no short printable line"),
    "a flood": (lambda folder: ["x" * (LONGEST + 1)], "no short printable line"),
    "a file elsewhere": (outside, "outside of its folder"),
    "a file elsewhere by a link": (by_a_link, "outside of its folder"),
    "a folder elsewhere": (lambda folder: list(folder.parent.iterdir()), "outside of its folder"),
    "an unpickled object": (unpickled, "pickle.find_class"),
    "much memory": (lambda folder: [] if bytearray(80 << 20) else ["none"], "takes 80 MiB"),
    "a warning": (warned, "warns: UserWarning look"),
    "no end": (endless, "TooLong"),
}


@pytest.mark.parametrize("what", BAD)
def test_the_harness_notices(what, tmp_path, monkeypatch):
    monkeypatch.setattr("parsers_watch.SECONDS", 0.5)
    read, said = BAD[what]
    outcome = reads(tmp_path, read)
    assert outcome.kind == "finding"
    assert said in outcome.said


def test_the_harness_lets_through_what_is_allowed(tmp_path):
    def refuses(folder):
        raise KeyError((folder / "d").read_text())

    assert reads(tmp_path / "1", refuses, errors=(KeyError,)).kind == "refused"
    assert reads(tmp_path / "2", lambda folder: [(folder / "d").read_text()]).kind == "refused"
    assert reads(tmp_path / "3", lambda folder: []).kind == "accepted"


def test_the_harness_notices_a_parser_that_takes_a_file_from_elsewhere(tmp_path):
    answers = NAMES["answers"]
    gullible = replace(answers, read=lambda folder: [])
    outcome = lured(gullible, tmp_path / "room", answers.named[0], PATHS[0])
    assert (outcome.kind, "takes" in outcome.said) == ("finding", True)


def test_the_fuzzer_finds_a_planted_fault(rooms):
    def breaks(folder):
        if b"\xff" in (folder / "d").read_bytes():
            raise OSError("planted")
        return []

    document = Document("d", "d", "bytes")
    parser = Parser("planted", lambda folder: (folder / "d").write_bytes(b"0123456789"), (document,), breaks)
    place, rng = rooms(parser), random.Random(0)
    found = [attempt(parser, place, document, mutate(rng, "bytes", b"0123456789", [b"0"])) for _ in range(250)]
    assert {outcome.said for outcome in found if outcome.kind == "finding"} == {"OSError: planted"}
