"""exec: candidates: the verdict by exit status, signal and output, and what is handed over."""

import shlex
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clip_conformance import UsageError, check, png
from clip_fixtures import build, fixtures
from clip_reference.source import open_source

PYTHON = shlex.quote(sys.executable)
SOUND = """
import sys, numpy as np, clip_reference
clip_reference.preprocess(sys.argv[1], int(sys.argv[2])).tofile(sys.argv[3])
"""


def program(tmp_path, text, shell="#!/bin/sh\n"):
    path = tmp_path / "a program"
    path.write_text(shell + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"exec:{shlex.quote(str(path))} {{input}} {{n_px}} {{output}}"


def one(candidate, fixture="pin-noise", **options):
    report = check(candidate, select=[fixture], **options)
    return report.cases[0]


def test_a_sound_program_is_exact_for_every_n_px(tmp_path):
    script = tmp_path / "sound.py"
    script.write_text(SOUND)
    candidate = f"exec:{PYTHON} {shlex.quote(str(script))} {{input}} {{n_px}} {{output}}"
    report = check(candidate, "all", select=["pin-noise", "sides-640x480", "palette-64", "bilevel-pin", "jpeg-420"])
    assert report.level == "exact"
    assert report.header.n_px == [224, 288, 336, 384, 448]
    assert all(case.seconds > 0 for case in report.cases)


@pytest.mark.clause("CNF-5")
@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("exit 0", "error", "it exited with 0 and left no output"),
        ("echo no memory >&2; exit 3", "error", 'it exited with 3; its last words: "no memory"'),
        ("exit 127", "error", "it exited with 127, as a shell does that cannot start a program"),
        ("kill -SEGV $$", "crash", "it died of SIGSEGV"),
        ("exit 139", "crash", "it exited with 139, as a shell does after SIGSEGV"),
        ("sleep 60", "timeout", "no end within 1 s"),
        ("sleep 60 & wait", "timeout", "no end within 1 s"),
        ('mkdir "$3"', "error", "is no regular file"),
        ('mkfifo "$3"', "error", "is no regular file"),
    ],
)
def test_the_verdict_of_a_process(tmp_path, text, status, words):
    case = one(program(tmp_path, text), timeout=1)
    assert (case.status, case.level) == (status, "divergent")
    assert words in case.message


@pytest.mark.clause("CNF-5", "INP-2")
@pytest.mark.parametrize(
    ("text", "status", "level"),
    [
        ("exit 1", "ok", "exact"),
        ("exit 0", "error", "divergent"),
        ("exit 127", "error", "divergent"),
        ("kill -ABRT $$", "crash", "divergent"),
        ('echo x > "$3"', "ok", "divergent"),
    ],
)
def test_what_must_be_rejected_needs_an_exit_status(tmp_path, text, status, level):
    case = one(program(tmp_path, text), "empty-width")
    assert (case.status, case.level) == (status, level)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('head -c 150528 /dev/zero > "$3"', "one byte a sample"),
        ('head -c 1204224 /dev/zero > "$3"', "eight bytes a sample"),
        ('printf "P6 224 224" > "$3"', "10 bytes, expected 602112 (float32 [3, 224, 224]) or a .npy file"),
        ('truncate -s 2G "$3"', "2147483648 bytes, expected 602112"),
    ],
)
def test_an_output_of_another_length_says_what_it_may_be(tmp_path, text, words):
    case = one(program(tmp_path, text))
    assert (case.status, case.level) == ("ok", "divergent")
    assert words in case.checks[0].note


def test_stdout_and_stdin_decide_nothing(tmp_path):
    candidate = program(tmp_path, "cat; yes | head -c 3000000; exit 4")
    case = one(candidate)
    assert case.status == "error"
    assert case.message == 'it exited with 4; its last words: "y"'


@pytest.mark.parametrize(
    ("fixture", "kind"),
    [
        ("pin-noise", ".png"),
        ("rgba-binary", ".png"),
        ("cmyk-values", ".npy"),
        ("jpeg-420", ".jpg"),
        ("mode-la", ".npy"),
    ],
)
def test_the_input_is_a_picture_where_png_carries_the_mode(tmp_path, fixture, kind):
    if fixture not in fixtures():
        fixture = next(slug for slug, known in fixtures().items() if known.mode == "La")
    seen = tmp_path / "seen"
    one(program(tmp_path, f'cp "$1" {shlex.quote(str(seen))}.${{1##*.}}; exit 1'), fixture)
    assert [path.suffix for path in tmp_path.iterdir() if path.name.startswith("seen")] == [kind]


PNG = [slug for slug, known in fixtures().items() if png.carries(known.mode) and known.expect == "image"]


@pytest.mark.clause("DEC-4")
def test_a_picture_holds_the_samples_mode_and_palette_of_its_fixture(tmp_path):
    chosen = [fixtures()[slug] for slug in PNG if fixtures()[slug].scope == "modes"]
    assert {fixture.mode for fixture in chosen} == {"1", "L", "LA", "P", "RGBA", "I;16"}
    for fixture in [*chosen, fixtures()["pin-noise"]]:
        made = open_source(build(fixture, 224))
        path = tmp_path / "a.png"
        png.write(path, made.read_all(), fixture.mode, made.palette, fixture.transparency)
        with Image.open(path) as image:
            image.load()
            read = open_source(image)
            assert read.mode.id == fixture.mode, fixture.slug
            np.testing.assert_array_equal(read.read_all(), made.read_all())
            if made.palette is not None:
                np.testing.assert_array_equal(read.palette, made.palette)
                assert ("transparency" in image.info) == (fixture.transparency is not None)


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        ("exec:", "exec: needs a command"),
        ("exec:./run.sh {input}", "has no {output}; write 'exec:./run.sh {input} {n_px} {output}'"),
        ("exec:./no-such {input} {output}", "the program ./no-such cannot be found"),
        (f"exec:{__file__} {{input}} {{output}}", "is not executable"),
        ("exec:true {input} {npx} {output}", "{npx} is none of {input}, {output}, {n_px}, {mode}, {case}"),
        ("exec:'a {input} {output}", "cannot be split into words"),
    ],
)
def test_a_command_that_is_none_is_refused(candidate, words):
    with pytest.raises(UsageError) as refused:
        check(candidate, select=["pin-noise"])
    assert words in str(refused.value)


def test_one_without_n_px_is_for_one_model(tmp_path):
    candidate = program(tmp_path, "exit 1").replace("{n_px}", "224")
    with pytest.raises(UsageError, match="is made for one n_px"):
        check(candidate, "all", select=["pin-noise"])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_nothing_is_left_behind(tmp_path):
    pid = tmp_path / "pid"
    one(program(tmp_path, f"sleep 300 & echo $! > {shlex.quote(str(pid))}; wait"), timeout=1)
    state = Path("/proc", pid.read_text().strip(), "stat")
    # Where nobody reaps orphans a killed one stays as a zombie.
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
