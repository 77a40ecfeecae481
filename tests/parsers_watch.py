"""What a parser does when it reads a folder: takes it, refuses it with one line, or gives itself away.

Files that are opened elsewhere, and whatever is unpickled or started, are seen through Python's own audit events.
"""

import contextlib
import functools
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
import tracemalloc
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

import clip_conformance
import clip_fixtures
import clip_reference
import clip_spec
from clip_conformance.errors import UsageError

CORPUS = Path(__file__).with_name("corpus")
# Characters of a message, seconds and bytes for one input; inputs have at most 1 MiB.
LONGEST, SECONDS, MEMORY = 700, 10.0, 64 << 20


@dataclass(frozen=True)
class Document:
    """A file that is made hostile: its name in the corpus, where it lies, and as what it is changed.

    A `stream` is what a process says, and a file in these tests alone.
    """

    name: str
    path: str
    kind: str
    stream: bool = False


@dataclass(frozen=True)
class Named:
    """A place for a path in a document: `put` sets it in a folder; `target` is the file that it should name."""

    put: Callable[[Path, str], object]
    target: str


@dataclass(frozen=True)
class Parser:
    """A parser.

    Attributes:
        name: its folder in the corpus.
        sample: fills a folder with something that it takes.
        documents: what is changed in there.
        read: reads a folder; yields what it finds wrong, one line each.
        errors: those that are documented.
        mend: makes digests right again after a change, so that the change is seen.
        named: where documents name files.
        chosen: whether the user names the document itself, so that a link is the user's own.
    """

    name: str
    sample: Callable[[Path], object]
    documents: tuple[Document, ...]
    read: Callable[[Path], Iterable[str]]
    errors: tuple[type[Exception], ...] = (UsageError,)
    mend: Callable[[Path], object] | None = None
    named: tuple[Named, ...] = ()
    chosen: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of an input: "accepted", "refused" or "finding", and what was said."""

    kind: str
    said: str = ""


# What a parser does besides, seen through Python's own audit.

_FILES = {"open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink"}
_NEVER = {
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.connect",
}
_PACKAGES = (clip_spec, clip_reference, clip_fixtures, clip_conformance)
_CODE = tuple(
    f"{os.path.realpath(path)}{os.sep}"
    for path in (
        *(sys.prefix, sys.base_prefix, CORPUS.with_name("__pycache__")),
        *(Path(str(package.__file__)).parent for package in _PACKAGES),
        # Documents that clip_spec finds beside the packages of a checkout.
        CORPUS.parent.parent / "spec",
    )
)
_watch = threading.local()


def _audit(event, arguments):
    seen = getattr(_watch, "seen", None)
    if seen is None or (event not in _FILES and event not in _NEVER):
        return
    if event in _NEVER:
        seen.append(f"{event} {arguments!r:.100}")
    elif isinstance(arguments[0], str | bytes | os.PathLike):
        if event == "os.listdir" and arguments[0] in sys.path:  # it looks for a module
            return
        with contextlib.suppress(ValueError):  # no path, so that nothing was opened
            real = os.path.realpath(os.fsdecode(arguments[0]))
            if not f"{real}{os.sep}".startswith((*_CODE, *_watch.allowed)):
                seen.append(f"{event} of {real:.200}, outside of its folder")


@functools.cache
def _audited():
    sys.addaudithook(_audit)


@contextlib.contextmanager
def _watched(place):
    """Say what is done outside of place/inside; temporary files go to place/scratch."""
    _audited()
    _watch.allowed = tuple(f"{os.path.realpath(place / name)}{os.sep}" for name in ("inside", "scratch"))
    _watch.seen = seen = []
    try:
        with mock.patch.object(tempfile, "tempdir", str(place / "scratch")):
            yield seen
    finally:
        _watch.seen = None


class TooLong(BaseException):
    """A parser takes more than its time."""


@contextlib.contextmanager
def _timed(seconds):
    def end(number, frame):
        raise TooLong

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(parser, place):
    """Return what comes of place/inside."""
    error, said = None, []
    tracemalloc.start()
    try:
        with warnings.catch_warnings(record=True) as warned, _watched(place) as seen, _timed(SECONDS):
            warnings.simplefilter("always")
            try:
                said = list(parser.read(place / "inside"))
            except parser.errors as refusal:
                said = [str(refusal)]
            except (Exception, TooLong) as other:
                error = other
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if seen:
        return Outcome("finding", seen[0])
    if error is not None:
        return Outcome("finding", f"{type(error).__name__}: {str(error)[:300]}")
    if warned:
        return Outcome("finding", f"warns: {warned[0].category.__name__} {str(warned[0].message)[:200]}")
    if peak > MEMORY:
        return Outcome("finding", f"takes {peak >> 20} MiB")
    bad = [text for text in said if not text or len(text) > LONGEST or not text.isprintable()]
    if bad:
        return Outcome("finding", f"says what is no short printable line: {bad[0][:300]!r}")
    return Outcome("refused", said[0]) if said else Outcome("accepted")


# What is tried.


@functools.cache
def _template(parser):
    kept = tempfile.TemporaryDirectory()
    for name in ("inside", "scratch"):
        (Path(kept.name) / name).mkdir()
    parser.sample(Path(kept.name) / "inside")
    return kept


def room(parser, place):
    """Make place/inside with what the parser takes, place/outside with the same, and place/scratch."""
    (place / "scratch").mkdir(parents=True)
    for name in ("inside", "outside"):
        shutil.copytree(Path(_template(parser).name) / "inside", place / name)
    return place


def seeds(parser, place):
    """Return the valid content of every document and those of the corpus, by its name."""
    return {
        document.name: [(place / "inside" / document.path).read_bytes(), *corpus(parser, document).values()]
        for document in parser.documents
    }


def corpus(parser, document):
    """Return the contents of the corpus for a document, by file."""
    folder = CORPUS / parser.name / document.name
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def attempt(parser, place, document, content, mended=False):
    """Return what comes of a document with another content; the room is left as it was."""
    inside = place / "inside"
    before = {one.path: (inside / one.path).read_bytes() for one in parser.documents}
    (inside / document.path).write_bytes(content)
    try:
        if mended:
            parser.mend(inside)
        return judge(parser, place)
    finally:
        for path, old in before.items():
            (inside / path).write_bytes(old)


class _Bomb:
    def __init__(self, mark):
        self._mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self._mark),)


def bomb(mark):
    """Return a pickle that makes the folder `mark` when it is loaded."""
    return pickle.dumps(_Bomb(mark))


def _save_objects(path, mark):
    with path.open("wb") as file:
        np.save(file, np.array([_Bomb(mark)], object), allow_pickle=True)


def _by_a_link(path, outside):
    path.symlink_to(outside)


def _by_a_relative_link(path, outside):
    path.symlink_to(os.path.relpath(outside, path.parent))


def _by_a_linked_folder(path, outside):
    shutil.rmtree(path.parent)
    path.parent.symlink_to(outside.parent)


def _by_a_hanging_link(path, outside):
    path.symlink_to(outside.with_name("nothing"))


def _by_a_link_to_itself(path, outside):
    path.symlink_to(path)


def _by_a_device(path, outside):
    path.symlink_to("/dev/zero")


# What a file of a folder is replaced by; the first are the user's own where the user names the file.
LINKS = (_by_a_link, _by_a_relative_link, _by_a_linked_folder, _by_a_hanging_link, _by_a_device)
OTHERS = {
    "a link to itself": _by_a_link_to_itself,
    "a pipe": lambda path, outside: os.mkfifo(path),
    "a folder": lambda path, outside: path.mkdir(),
    "nothing": lambda path, outside: None,
    "an empty file": lambda path, outside: path.touch(),
    "a pickle": lambda path, outside: path.write_bytes(bomb(outside.parent / "unpickled")),
    "an array of pickles": lambda path, outside: _save_objects(path, outside.parent / "unpickled"),
}


def traps(parser):
    """Return every way in which a file of the sample is replaced: (file, what by, how)."""
    with tempfile.TemporaryDirectory() as name:
        inside = room(parser, Path(name)) / "inside"
        files = [str(path.relative_to(inside)) for path in sorted(inside.rglob("*")) if path.is_file()]
    documents = {document.path for document in parser.documents}
    streams = {document.path for document in parser.documents if document.stream}
    found = []
    for file in files:
        if file in streams:
            continue
        links = () if parser.chosen and file in documents else LINKS
        found += [
            (file, how.__name__.strip("_").replace("_", " "), how)
            for how in links
            if how is not _by_a_linked_folder or "/" in file
        ]
        found += [(file, what, how) for what, how in OTHERS.items()]
    return found


def sprung(parser, place, file, how):
    """Return what comes of a sample one file of which was replaced."""
    room(parser, place)
    path, outside = place / "inside" / file, place / "outside" / file
    path.unlink()
    how(path, outside)
    if parser.mend is not None:
        with contextlib.suppress(OSError):  # what is to be mended was replaced itself
            parser.mend(place / "inside")
    found = judge(parser, place)
    if (outside.parent / "unpickled").exists():
        return Outcome("finding", "was unpickled")
    return found


def lured(parser, place, named, path):
    """Return what comes of a document that names another path; it must not be accepted."""
    inside, outside = room(parser, place) / "inside", place / "outside"
    text = path.format(name=named.target, inside=inside, outside=outside) if len(path) < 100 else path
    if "link" in text:
        (inside / "link").symlink_to(outside)
        (inside / "link-to-a-file").symlink_to(outside / named.target)
    if "pipe" in text:
        os.mkfifo(inside / "pipe")
    named.put(inside, text)
    found = judge(parser, place)
    return Outcome("finding", f"takes {text!r}") if found.kind == "accepted" else found
