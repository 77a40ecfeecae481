"""Ctrl-C, SIGTERM, SIGKILL, a full disk and a folder that is none, in the middle of a run."""

import errno
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hostile
from clip_conformance import NotConforming, UsageError
from clip_conformance.cli import main
from clip_conformance.reports import files, lines

SLOW = """
import clip_reference, time

def slow(image):
    time.sleep(0.2)
    return clip_reference.preprocess(image)
"""
PATIENCE = 60.0


def waited(condition):
    """Wait until something holds; a test fails where it never does."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


class Started:
    """`check` of a slow candidate, running, some cases done."""

    def __init__(self, folder):
        (folder / "slow.py").write_text(SLOW)
        self.report, self.token, self.room = folder / "report", secrets.token_hex(8), folder / "room"
        self.room.mkdir()
        count = folder / "count"
        driver = (
            "import functools, sys, tempfile\nfrom clip_conformance import engine\n"
            f"engine.workdir = functools.partial(tempfile.TemporaryDirectory, dir={str(self.room)!r})\n"
            "from clip_conformance.render import Bar\n"
            f"Bar.done = lambda self, case: open({str(count)!r}, 'a').write('x')\n"
            "from clip_conformance.cli import main\nmain(sys.argv[1:])\n"
        )
        words = ["check", f"{folder / 'slow.py'}:slow", "--jobs", "2", "--report", str(self.report)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", driver, *words],
            env=os.environ | {hostile.TOKEN: self.token},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        waited(lambda: (count.exists() and count.stat().st_size > 3) or self.process.poll() is not None)

    def ended(self):
        """What it printed, and its exit status; nothing of it is left."""
        said = self.process.communicate(timeout=PATIENCE)[0]
        waited(lambda: not hostile.alive(self.token))
        waited(lambda: not list(self.room.iterdir()))
        return said, self.process.returncode


@pytest.fixture
def started(tmp_path):
    found = Started(tmp_path)
    yield found
    found.process.kill()
    found.process.wait()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_report_so_far_is_whole_and_says_that_it_is_partial(started, number, status, capsys):
    started.process.send_signal(number)
    said, ended = started.ended()
    assert ended == status
    assert said.splitlines()[-1].startswith("PARTIAL: ")
    assert "Traceback" not in said

    report = lines.read(started.report)
    assert report.partial
    assert 3 < len(report.cases) == report.footer.cases < report.footer.expected
    assert {case.level for case in report.cases} == {"exact"}
    assert not report.passed
    assert not report.summary.accepted
    with pytest.raises(NotConforming, match="partial"):
        report.require("divergent")
    assert {"summary.json", "report.html", "badge.json"} <= {path.name for path in started.report.iterdir()}
    assert not (started.report / "statement.json").exists()
    assert not (started.report / "junit.xml").exists()

    for words, code in ((["report"], 0), (["diff", str(started.report)], 2)):
        with pytest.raises(SystemExit) as end:
            main([*words, str(started.report)])
        assert end.value.code == code
    told = capsys.readouterr()
    assert "PARTIAL" in told.out
    assert "conforms" not in told.out
    assert "the old report is partial" in told.err


def test_a_second_interrupt_does_not_cost_the_report(started):
    for _ in range(20):
        started.process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    _, ended = started.ended()
    assert ended == 130
    assert lines.read(started.report).partial


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody is left to clean up")
def test_what_was_killed_leaves_no_process_no_folder_and_no_report(started):
    started.process.kill()
    _, ended = started.ended()
    assert ended == -signal.SIGKILL
    with pytest.raises(UsageError):
        lines.read(started.report)


def check(folder, *words):
    with pytest.raises(SystemExit) as end:
        main(["check", "pillow", "--select", "pin-values", "--report", str(folder), *words])
    return end.value.code


def test_a_full_disk_is_one_line_and_the_verdict_is_told(tmp_path, monkeypatch, capsys):
    assert check(tmp_path) == 0
    before = (tmp_path / "report.jsonl").read_bytes()
    capsys.readouterr()

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    assert check(tmp_path) == 2
    told = capsys.readouterr()
    assert told.out.splitlines()[-1].startswith("EXACT: pillow conforms")
    assert told.err == f"clip-conformance: the report cannot be written to {tmp_path}: No space left on device\n"
    # What is there is the old report, whole, and nothing that was made from it stands in for the new one's.
    assert {path.name for path in tmp_path.iterdir()} == {"report.jsonl"}
    assert (tmp_path / "report.jsonl").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert check(tmp_path / "file" / "report") == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert "file" in told.err
    assert not told.out


def test_a_file_that_was_cut_off_is_no_report(tmp_path):
    assert check(tmp_path / "whole") == 0
    content = (tmp_path / "whole" / "report.jsonl").read_bytes()
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for length in {0, 1, len(content) // 2, content.rindex(b"\n", 0, -1) + 1, len(content) - 1}:
        Path(tmp_path / "cut" / "report.jsonl").write_bytes(content[:length])
        with pytest.raises(UsageError):
            lines.read(tmp_path / "cut")
