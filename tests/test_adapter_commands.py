"""The commands for those who write an adapter: smoke, replay, export, verify."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BANK = HERE / "adapters.py"
CANDIDATES = HERE / "candidates.py"
FLOAT_END = """
import sys, numpy as np, clip_reference
u = clip_reference.trace(sys.argv[1]).convert_rgb[..., ::-1]
y = (u / np.float32(255) - np.float32([.485, .456, .406])) / np.float32([.229, .224, .225])
y.astype(np.float32).tofile(sys.argv[2])
"""


def run(*arguments, cwd=None):
    words = [sys.executable, "-m", "clip_conformance", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


def bank(*words):
    return "cmd:" + shlex.join([sys.executable, str(BANK), *map(str, words)])


def test_smoke_explains_five_cases_and_what_comes_next():
    done = run("smoke", bank("sound"), "--strict-protocol")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  ok  bit for bit the canon") == 5
    assert done.stdout.splitlines()[-1] == f"5 of 5 pass. Now: clip-conformance check '{bank('sound')}' --scope arrays"


def test_smoke_says_what_it_sees_of_the_float_end(tmp_path):
    script = tmp_path / "float_end.py"
    script.write_text(FLOAT_END)
    done = run("smoke", f"exec:{sys.executable} {script} {{input}} {{output}}")
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "Seen: its samples are interleaved: r, g, b, r, g, b; the canon has all of red" in text
    assert "Seen: its channels are B, G, R; the canon has R, G, B." in text
    assert "Seen: after division by 255 it uses mean (0.485, 0.456, 0.406) and std (0.229, 0.224, 0.225)." in text
    assert "0 of 5 pass. Begin with the first that fails" in text


def test_smoke_points_at_the_crop(tmp_path):
    done = run("smoke", f"{CANDIDATES}:FloorCrop")
    text = " ".join(done.stdout.split())
    assert done.returncode == 1
    assert "3 crop-right-3@224 divergent" in text
    assert "Rounding down is the usual mistake;" in text
    assert "4 of 5 pass" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("smoke", "cmd:./none"), "cannot be started"),
        (("smoke", bank("sound"), "--model", "all"), "smoke takes one model"),
        (("smoke", f"{CANDIDATES}:ResizeAlone"), "has no stage normalize"),
        (("replay", "."), "transcript.jsonl cannot be read: No such file"),
        (("verify", "."), "is no whole bundle"),
        (("export", "a-file"), "a-file is a file; name a new folder"),
        (("export", "new", "--select", "zz"), "no fixture matches 'zz'"),
        (("check", "dir:none"), "is no folder"),
    ],
)
def test_an_error_is_one_line_and_exits_with_2(tmp_path, arguments, words):
    (tmp_path / "a-file").touch()
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_crash_shows_the_end_of_stderr(tmp_path):
    script = tmp_path / "a.py"
    script.write_text("import sys\nsys.stderr.write('loading\\nno libfoo\\n')\nsys.exit(3)\n")
    done = run("check", f"exec:{sys.executable} {script} {{input}} {{output}}", "--select", "pin-noise")
    assert "The candidate's stderr ends with\nloading\nno libfoo\n" in done.stdout
    assert done.returncode == 1


def test_a_report_keeps_stderr(tmp_path):
    few = ("--select", "pin-noise", "--jobs", "1", "--report", tmp_path)
    run("check", bank("floods_stderr", "always"), *few)
    log = (tmp_path / "stderr.log").read_text()
    assert log.endswith("noise\n")
    assert len(log) <= 128 << 10
    run("check", bank("sound"), *few)
    assert not (tmp_path / "stderr.log").exists()


@pytest.fixture(scope="module")
def transcript(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept") / "transcript"
    few = ("--scope", "arrays", "--select", "pin-noise", "--select", "crop-right-3", "--jobs", "1")
    done = run("check", bank("sound"), *few, "--transcript", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_transcript_is_replayed_and_found_the_same(transcript):
    done = run("replay", transcript)
    assert (done.returncode, done.stdout) == (0, "2 of 2 runs are answered as they were\n")


def test_a_replay_shows_what_changed(transcript):
    for behaviour, now in (("float64", "now ok, normalize"), ("exits", "now no answer"), ("rejects", "now rejected")):
        done = run("replay", transcript, bank(behaviour))
        assert done.returncode == 1
        assert done.stdout.splitlines()[0].startswith("crop-right-3@224: then ok, normalize ")
        assert now in done.stdout.splitlines()[0]
        assert done.stdout.splitlines()[1] == "1 of 2 runs are answered as they were"


def test_a_transcript_cannot_lead_out_of_its_folder(transcript, tmp_path):
    lines = (transcript / "transcript.jsonl").read_text().splitlines()
    for index, line in enumerate(lines):
        entry = json.loads(line)
        if entry["what"] == "sent" and entry["message"]["cmd"] == "run":
            entry["message"]["input"]["path"] = "/etc/passwd"
            lines[index] = json.dumps(entry)
    (tmp_path / "transcript.jsonl").write_text("\n".join(lines) + "\n")
    done = run("replay", tmp_path)
    assert done.returncode == 2
    assert "/etc/passwd is outside of" in done.stderr


def test_a_broken_transcript_names_its_line(tmp_path):
    (tmp_path / "transcript.jsonl").write_text('{"lane":"","what":"candidate","candidate":"cmd:true"}\nnonsense\n')
    done = run("replay", tmp_path)
    assert done.returncode == 2
    assert "transcript.jsonl, line 2" in done.stderr


def test_a_bundle_goes_out_and_is_verified(tmp_path):
    done = run("export", "made", "--select", "pin-noise", "--select", "jpeg-420", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 cases, ")
    assert run("verify", "made", cwd=tmp_path).stdout == "made is whole and genuine\n"
    (tmp_path / "made" / "README.md").write_text("mine")
    done = run("verify", "made", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "made is not as it was exported"
