"""Bad candidates and what must become of each; `run` tries one, as a Python candidate or as a cmd: adapter.

The table is data; hostile_candidates.py has what they do. tests/reliability.py writes what came of them to
docs/reliability.md.
"""

import contextlib
import io
import os
import secrets
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clip_conformance import UsageError, engine
from clip_conformance.cli import main
from clip_conformance.reports import lines

HERE = Path(__file__).parent
AT = "crop-right-3@224"
# One case before, the one at which it happens, one after.
FEW = ("pin-values", "crop-right-3", "crop-down-1")
TOKEN = "CLIP_CONFORMANCE_HOSTILE"


@dataclass(frozen=True)
class Wanted:
    """What must become of the case at which it happens: its status, its level, words of its message or its check.

    `rest` is the level of the other cases, "" for any; `level` too may be "". `note` is in a note of the report.
    """

    status: str
    level: str
    words: str = ""
    rest: str = "exact"
    note: str = ""


EXACT = Wanted("ok", "exact")


def fails(words):
    return Wanted("ok", "divergent", words)


def error(words):
    return Wanted("error", "divergent", words)


def crash(words):
    return Wanted("crash", "divergent", words)


DOUBLE = Wanted("ok", "equivalent", "dtype float64, expected float32")
FLAKY = Wanted("ok", "divergent", rest="divergent", note="not deterministic: the same image again gave another answer")
ORDER = Wanted("ok", "", rest="", note="depends on what it was given before: the same image again gave another answer")
SPOILED = Wanted("error", "divergent", "OSError", rest="")
PATCHED = Wanted("error", "divergent", "RuntimeError", rest="")
TIMEOUT = Wanted("timeout", "divergent", "within")
MEMORY = crash("GiB of memory and was ended (--memory)")


@dataclass(frozen=True)
class Kind:
    """A kind of bad candidate; a way that is None is not tried. `linux`: it can be held there alone."""

    name: str
    python: Wanted | None
    cmd: Wanted | None
    options: tuple[str, ...] = ()
    needs: str = ""
    linux: bool = False


_SHORT = ("--timeout", "1")
_SMALL = ("--memory", "0.4")

KINDS = (
    # What it returns.
    Kind("returns_none", error("returned a NoneType, which is no image"), fails("Python objects")),
    Kind("returns_text", error("returned a str, which is no image"), fails("which is no image")),
    Kind("returns_an_empty_dict", error("a dict without pixel_values"), fails("Python objects")),
    Kind("returns_two_images", error("a list of 2 items"), fails("shape [2, 3, 224, 224]")),
    Kind("returns_nan", fails("not finite"), fails("not finite")),
    Kind("returns_infinity", fails("not finite"), fails("not finite")),
    Kind("wrong_shape", fails("shape [3, 223, 224]"), fails("shape [3, 223, 224]")),
    Kind("empty_array", fails("shape [3, 0, 224]"), fails("shape [3, 0, 224]")),
    Kind("channels_last", fails("shape [224, 224, 3]"), fails("shape [224, 224, 3]")),
    Kind("wrong_type", fails(""), fails("")),
    Kind("double_precision", DOUBLE, DOUBLE),
    Kind("big_endian", EXACT, EXACT),
    Kind("read_only", EXACT, EXACT),
    Kind("not_contiguous", EXACT, EXACT),
    Kind("negative_strides", EXACT, EXACT),
    Kind("object_array", error("an array of object"), fails("Python objects")),
    Kind("text_array", error("which is no image"), fails("which is no image")),
    Kind("complex_array", error("an array of complex64"), fails("which is no image")),
    Kind("lazy_array", EXACT, EXACT),
    Kind("lazy_array_that_raises", error("ValueError: not now"), error("ValueError")),
    Kind("array_subclass", EXACT, EXACT),
    Kind("long_double", error("which is no image"), fails("which is no image")),
    Kind("huge_array", error("more than is read"), fails("shape [3, 6000, 6000]")),
    Kind("meta_tensor", error("the meta device"), None, needs="torch"),
    Kind("tensor_with_grad", EXACT, None, needs="torch"),
    Kind("tensor_subclass", EXACT, None, needs="torch"),
    # What it raises.
    Kind("raises", error("RuntimeError: first line second line"), error("RuntimeError")),
    Kind("raises_without_text", error("Unspeakable"), error("Unspeakable")),
    Kind("raises_a_flood_of_text", error("ValueError: xxx"), error("ValueError")),
    Kind("raises_keyboard_interrupt", error("KeyboardInterrupt"), crash("")),
    Kind("raises_a_lone_surrogate", error(r"ValueError: \ud800"), error("ValueError")),
    Kind("raises_control_characters", error(r"ValueError: \x1b[2J\x1b]0;title\x07 \u202e <b>"), error("ValueError")),
    Kind("raises_memory_error", error("MemoryError"), error("MemoryError")),
    Kind("raises_own_base_exception", error("OwnError: not an Exception"), crash("exited with 1")),
    Kind("raises_generator_exit", error("GeneratorExit"), crash("exited with 1")),
    Kind("recurses", error("RecursionError"), error("RecursionError")),
    # How it ends.
    Kind("exits", crash("exited with 3"), crash("exited with 3")),
    Kind("exits_at_once", crash("exited with 5"), crash("exited with 5")),
    Kind("aborts", crash("SIGABRT"), crash("SIGABRT")),
    Kind("segfaults", crash("SIGSEGV"), crash("SIGSEGV")),
    Kind("kills_itself", crash("SIGKILL"), crash("SIGKILL")),
    Kind("stops_itself", TIMEOUT, TIMEOUT, _SHORT),
    Kind("kills_its_parent", crash(""), crash(""), _SHORT, linux=True),
    Kind("sleeps", TIMEOUT, TIMEOUT, _SHORT),
    Kind("spins", TIMEOUT, TIMEOUT, _SHORT),
    Kind("sleeps_deaf", TIMEOUT, TIMEOUT, _SHORT),
    Kind("grows", MEMORY, MEMORY, _SMALL, linux=True),
    Kind("child_grows", MEMORY, MEMORY, _SMALL, linux=True),
    # What it leaves behind.
    Kind("leaves_a_child", EXACT, EXACT),
    Kind("leaves_a_child_in_a_session", EXACT, EXACT, linux=True),
    Kind("leaves_a_pool", EXACT, EXACT, linux=True),
    Kind("leaves_an_exit_that_sleeps", EXACT, EXACT),
    Kind("leaves_a_thread", EXACT, EXACT),
    Kind("leaves_a_daemon", EXACT, EXACT, linux=True),
    Kind("leaves_a_daemon_and_dies", crash("exited with 1"), crash("exited with 1"), linux=True),
    Kind("forks_and_both_answer", EXACT, None),
    # What it changes.
    Kind("prints", EXACT, error("not JSON")),
    Kind("prints_from_c", EXACT, error("not JSON")),
    Kind("floods_stderr", EXACT, EXACT),
    Kind("closes_stdin", EXACT, None),
    Kind("closes_stderr", EXACT, EXACT),
    Kind("changes_the_folder", EXACT, EXACT),
    Kind("changes_the_locale", EXACT, EXACT),
    Kind("changes_float_errors", EXACT, EXACT),
    Kind("changes_warnings", EXACT, EXACT),
    Kind("empties_the_environment", EXACT, EXACT),
    Kind("changes_the_umask", EXACT, EXACT),
    Kind("changes_the_recursion_limit", EXACT, EXACT),
    Kind("closes_all_files", crash("exited with 1"), EXACT),
    Kind("limits_its_files", SPOILED, SPOILED),
    Kind("ignores_the_end", EXACT, EXACT),
    Kind("empties_the_path", EXACT, EXACT),
    Kind("changes_the_default_type", EXACT, None, needs="torch"),
    Kind("changes_the_threads", EXACT, None, needs="torch"),
    Kind("patches_pillow", PATCHED, PATCHED),
    Kind("patches_json_and_files", EXACT, None),
    Kind("changes_its_input", EXACT, EXACT),
    Kind("differs_each_time", FLAKY, FLAKY),
    Kind("depends_on_the_order", ORDER, ORDER),
    Kind("imports_slowly", EXACT, None),
    # What an adapter does with its answers and its files.
    Kind("answers_twice", None, Wanted("ok", "exact", "", "")),
    Kind("answers_with_a_flood", None, error("a line of more than 64 MiB")),
    Kind("answers_deeply", None, error("is wrong")),
    Kind("closes_stdout", None, Wanted("ok", "exact", rest="")),
    Kind("deletes_its_output", None, error("")),
    Kind("deletes_its_folder", None, error("")),
    Kind("writes_a_pipe", None, error("no regular file")),
    Kind("writes_a_link_outside", None, error("")),
    Kind("writes_a_folder", None, error("")),
    Kind("writes_half", None, fails("")),
    Kind("names_a_device", None, error("")),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a run: the exit status, the report (None: there is none), what was printed, and what was left."""

    exit: int
    report: object
    said: str
    processes: int
    files: list[str]


def tried():
    """Every kind with every way in which it is tried: (kind, way)."""
    return [(kind, way) for kind in KINDS for way in ("python", "cmd") if getattr(kind, way) is not None]


def candidate(name, way):
    if way == "python":
        return f"{HERE / 'hostile_candidates.py'}:{name}"
    return "cmd:" + shlex.join([sys.executable, str(HERE / "hostile_adapter.py"), name])


def run(name, way, folder, *options, select=FEW):
    """Check a candidate with the command, in this process, and look at what is left."""
    room, token = folder / "room", secrets.token_hex(8)
    room.mkdir()
    workdir, before = engine.workdir, os.environ.get(TOKEN)
    words = ["check", candidate(name, way), "--jobs", "1", "--report", str(folder / "report"), "--no-diagnosis"]
    words += [word for slug in select for word in ("--select", slug)] + list(options)
    said = io.StringIO()
    engine.workdir = partial(tempfile.TemporaryDirectory, dir=room, ignore_cleanup_errors=True)
    os.environ[TOKEN] = token
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main(words)
    except SystemExit as end:
        status = end.code
    finally:
        engine.workdir = workdir
        os.environ.pop(TOKEN) if before is None else os.environ.update({TOKEN: before})
    try:
        report = lines.read(folder / "report")
    except UsageError:
        report = None
    return Outcome(status, report, said.getvalue(), len(alive(token)), [path.name for path in room.iterdir()])


def alive(token):
    """The processes that were started with the token and still run; none where there is no /proc."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            mine = f"{TOKEN}={token}".encode() in (place / "environ").read_bytes().split(b"\0")
            if mine and place.name != str(os.getpid()):
                found.append(int(place.name))
    return found


def judged(kind, way, outcome):
    """Return what is wrong with an outcome, "" where it is as it must be."""
    wanted = getattr(kind, way)
    if outcome.report is None:
        return f"no report: {outcome.said[-300:]}"
    cases = {case.id: case for case in outcome.report.cases}
    if len(cases) != len(FEW):
        return f"{len(cases)} cases"
    case = cases.pop(AT)
    text = " ".join([case.message, *(check.note for check in case.checks)])
    as_wanted = case.status == wanted.status and wanted.level in ("", case.level) and wanted.words in text
    if not as_wanted or (wanted.note and wanted.note not in " ".join(outcome.report.header.notes)):
        return f"{case.status}, {case.level}: {text}"
    others = [f"{other.id} {other.level}: {other.message}" for other in cases.values() if other.level != wanted.rest]
    if wanted.rest and others:
        return "; ".join(others)
    reached = all(case.level in ("exact", "equivalent") for case in outcome.report.cases)
    if outcome.exit != (0 if reached else 1):
        return f"exit {outcome.exit}"
    if "Traceback" in outcome.said and "clip-conformance:" in outcome.said:
        return "a traceback"
    if outcome.processes or outcome.files:
        return f"left {outcome.processes} processes, {outcome.files}"
    return ""


if __name__ == "__main__":  # all, or those that are named
    wanted = sys.argv[1:]
    for kind, way in tried():
        if wanted and kind.name not in wanted:
            continue
        with tempfile.TemporaryDirectory() as place:
            began = time.monotonic()
            wrong = judged(kind, way, run(kind.name, way, Path(place), *kind.options))
            print(f"{kind.name:32} {way:7} {time.monotonic() - began:5.1f} {wrong or 'ok'}", flush=True)
