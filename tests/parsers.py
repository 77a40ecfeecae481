"""Every parser of files that anybody may have written, what it is given, and what may come of it.

A parser takes what it is given, or refuses it with its documented error in one printable line. All else is a finding:
another exception, a warning, a file that is opened outside of the folder, anything unpickled or started, much time or
memory. `python tests/parsers.py --time 600` looks for findings; tests/test_parsers.py does so for a moment, and reads
all of tests/corpus again: corpus/PARSER/DOCUMENT/WHAT-IT-IS.
"""

import argparse
import functools
import hashlib
import random
import re
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path
from unittest import mock

import msgspec
import numpy as np

import parsers_samples as samples
from clip_conformance import arrays, bundle, known, protocol, replay
from clip_conformance.errors import UsageError
from clip_conformance.fuzzing import finding
from clip_conformance.plain import plain
from clip_conformance.reports import diff, lines, statement, verify
from clip_conformance.transports import conversation
from clip_conformance.transports.base import Broken
from clip_conformance.transports.folder import Folder
from clip_conformance.transports.strict import Strict
from parsers_mutations import mutate
from parsers_watch import CORPUS, Document, Named, Parser, attempt, room, seeds

# How each is read, and whatever is done with it at once.


def _read_array(folder):
    path = folder / "array.npy"
    for read in (
        lambda: arrays.read(path, (2, 3), "float32"),
        lambda: arrays.load(path, 1 << 16),
        lambda: _strict().output("normalize", path),
    ):
        try:
            read()
        except arrays.Unreadable as problem:
            yield str(problem)


def _read_report(folder):
    report = lines.read(folder)
    assert report.summary.level in ("exact", "equivalent", "close", "divergent")
    diff.compare(report, report)
    return []


def _read_known(folder):
    file = known.read(folder / "known.toml")
    known.judge(file, "known.toml", samples.report().cases, "equivalent", date(2030, 1, 1))
    (folder.parent / "scratch" / "again.toml").write_bytes(known.encode(file))
    assert known.read(folder.parent / "scratch" / "again.toml") == file
    return []


def _read_statement(folder):
    found = statement.read(folder / "statement.json")
    verify.refuse_others(found)
    return map(plain, verify.inconsistencies(found))  # as the command prints them


def _read_outputs(folder):
    found = Folder(folder)
    found.profile(samples.PROFILE)
    for start in (None, "center_crop"):
        asked = msgspec.structs.replace(samples.RUN, stages=["resize", "center_crop", "normalize"], start=start)
        try:
            for output in found.run(asked, 1.0).outputs.values():
                arrays.read(Path(output.path), samples.SMALL, "float32")
        except (Broken, arrays.Unreadable) as problem:
            if str(problem).startswith("no normalize.npy") and start is not None:
                continue  # the sample has none
            yield str(problem)


class _Adapter:
    """A conversation that reads the input it is sent, and answers with zeros."""

    def __init__(self, *words, **options):
        pass

    def profile(self, message):
        pass

    def run(self, message, seconds):
        Path(message.input.path).read_bytes()
        path = Path(message.out) / "out.npy"
        arrays.write(path, np.zeros(samples.SMALL, np.float32))
        return protocol.Result(seq=1, status="ok", outputs={"normalize": protocol.Output(path=str(path))})

    def close(self):
        pass


def _read_transcript(folder):
    work = Path(tempfile.mkdtemp())
    with (
        mock.patch.object(replay, "Conversation", _Adapter),
        mock.patch.object(replay, "conversation_words", return_value=["adapter"]),
    ):
        for turn in replay.replay(folder, "cmd:adapter", work, 1.0):
            if not turn.same:  # as the command prints it
                yield f"{turn.case}: then {turn.then}; now {turn.now}"


class _Process:
    """Says lines, whatever it is told."""

    def __init__(self, answers):
        self._answers = iter(answers)

    def receive(self, seconds):
        line = next(self._answers, None)
        if line is None:
            raise conversation.Silent(b"", ended=True)
        return line

    def wait(self, seconds):
        return 0

    def cause_of_death(self, status):
        return "ended"

    def log(self):
        return ""

    def unread(self):
        return None

    def send(self, line):
        pass

    kill = end_input = unread


def _process(answers):
    return lambda *words, **options: _Process(answers)


_strict = functools.cache(Strict)


def _read_answers(folder):
    answers = (folder / "answers.jsonl").read_bytes().split(b"\n")
    asked = msgspec.structs.replace(samples.RUN, out=str(folder))
    for strict in (None, _strict()):
        with mock.patch.object(conversation, "Process", _process(answers)):
            talk = conversation.Conversation("adapter", ["adapter"], folder, suite="0", strict=strict)
            try:
                talk.profile(samples.PROFILE)
                for _ in answers[2:]:
                    for output in talk.run(asked, 1.0).outputs.values():
                        arrays.read(Path(output.path), samples.SMALL, "float32")
            except (UsageError, Broken, arrays.Unreadable) as problem:
                yield str(problem)


def _load(path):
    picture = finding.load(path)
    assert picture.width > 0
    return []


PARSERS = (
    Parser(
        "array",
        samples.write_array,
        (Document("array.npy", "array.npy", "npy"),),
        _read_array,
        chosen=True,
    ),
    Parser(
        "report",
        samples.write_report,
        (Document("report.jsonl", "report.jsonl", "json lines"),),
        _read_report,
        mend=samples.chain,
    ),
    Parser("known", samples.write_known, (Document("known.toml", "known.toml", "toml"),), _read_known, chosen=True),
    Parser(
        "statement",
        samples.write_statement,
        (Document("statement.json", "statement.json", "json"),),
        _read_statement,
        chosen=True,
    ),
    Parser(
        "bundle",
        samples.write_bundle,
        (
            Document("bundle.json", "bundle.json", "json"),
            Document("cases.jsonl", "cases.jsonl", "json lines"),
            Document("SHA256SUMS", "SHA256SUMS", "sums"),
        ),
        lambda folder: map(plain, bundle.verify(folder)),
        mend=samples.sum_again,
        named=(
            Named(samples.name_sum, "inputs/jpeg-420@224.jpg"),
            Named(samples.name_input, "inputs/jpeg-420@224.jpg"),
        ),
    ),
    Parser(
        "outputs",
        samples.write_outputs,
        (
            Document("result.json", f"{samples.RUN.case}/result.json", "json"),
            Document("candidate.json", "candidate.json", "json"),
            Document("normalize.npy", f"{samples.RUN.case}/normalize.npy", "npy"),
            Document("center_crop.raw", f"{samples.RUN.case}/center_crop.raw", "bytes"),
        ),
        _read_outputs,
    ),
    Parser(
        "transcript",
        samples.write_transcript,
        (Document("transcript.jsonl", "transcript.jsonl", "json lines"),),
        _read_transcript,
        named=(Named(samples.name_message, "arrays/given.npy"),),
    ),
    Parser(
        "answers",
        samples.write_answers,
        (
            Document("answers.jsonl", "answers.jsonl", "json lines", stream=True),
            Document("normalize.npy", "normalize.npy", "npy"),
        ),
        _read_answers,
        (UsageError, Broken, arrays.Unreadable),
        named=(Named(samples.name_output, "normalize.npy"),),
    ),
    Parser(
        "image",
        samples.write_image,
        (Document("image.json", "image.json", "json"),),
        lambda folder: _load(folder / "image.json"),
        named=(Named(samples.name_samples, "samples.npy"),),
        chosen=True,
    ),
    Parser(
        "picture",
        samples.write_picture,
        (Document("image.png", "image.png", "bytes"),),
        lambda folder: _load(folder / "image.png"),
        chosen=True,
    ),
)


def fuzz(parser, rng, until, save):
    """Try changed documents until a time; count what comes of them."""
    counts = Counter()
    with tempfile.TemporaryDirectory() as name:
        place = room(parser, Path(name))
        contents = seeds(parser, place)
        while time.monotonic() < until:
            document = parser.documents[rng.randrange(len(parser.documents))]
            others = contents[document.name]
            content = mutate(rng, document.kind, others[rng.randrange(len(others))], others)
            found = attempt(parser, place, document, content, parser.mend is not None and rng.random() < 0.7)
            counts[found.kind] += 1
            if found.kind == "finding":
                save(document, content, found)
    return counts


def main():
    parsing = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parsing.add_argument("--time", type=float, default=60.0, metavar="SECONDS", help="for all parsers together")
    parsing.add_argument("--parser", choices=[parser.name for parser in PARSERS], help="this one alone")
    parsing.add_argument("--seed", type=int, default=None, metavar="N")
    given = parsing.parse_args()
    chosen = [parser for parser in PARSERS if given.parser in (None, parser.name)]
    seed = random.randrange(1 << 32) if given.seed is None else given.seed
    print(f"seed {seed}")
    failed = False
    for parser in chosen:
        told = set()

        def save(document, content, found, parser=parser, told=told):
            key = re.sub(r"[^A-Za-z]+", " ", found.said)[:60]
            if key in told:  # one of a kind is enough
                return
            told.add(key)
            file = CORPUS / parser.name / document.name / f"found-{hashlib.sha256(content).hexdigest()[:12]}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            print(f"  {file.relative_to(CORPUS)}: {found.said[:300]!r}", flush=True)

        until = time.monotonic() + given.time / len(chosen)
        counts = fuzz(parser, random.Random(seed), until, save)
        failed = failed or bool(counts["finding"])
        words = ", ".join(f"{counts[kind]} {kind}" for kind in ("accepted", "refused", "finding"))
        print(f"{parser.name}: {counts.total()} inputs, {words}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
