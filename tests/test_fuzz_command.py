"""clip-conformance fuzz: what it prints, saves and exits with."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import clip_spec
from clip_conformance.fuzzing import properties
from clip_conformance.fuzzing.finding import save
from clip_conformance.fuzzing.pictures import (
    Content,
    Recipe,
    render,
)

HERE = Path(__file__).parent
FUZZED = str(HERE / "fuzzed.py")


def command(*arguments, cwd, env=None):
    words = [sys.executable, "-m", "clip_conformance", *arguments]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd, env=env, timeout=300)


def quick(name, *more, cwd, env=None):
    return command("fuzz", f"{FUZZED}:{name}", "--time", "600", *more, cwd=cwd, env=env)


def test_the_command_finds_shows_saves_and_repeats(tmp_path):
    done = quick("floor_crop", "--images", "40", "--seed", "11", "--out", "found here", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == f"{FUZZED}:floor_crop  ViT-B/32 (224 px)  seed 11  required equivalent"
    assert re.search(r"^1  (close|divergent) end to end  RGB, \d+ x \d+ px  ", done.stdout, re.MULTILINE)
    assert re.search(r"^off by peak [\d.]+, mean [\d.]+, bias \S+ LSB$", done.stdout, re.MULTILINE)
    worst = r"^worst sample at row \d+, column \d+, [RGB]: expected \S+, got \S+ \(in 8 bits \S+ and \S+\)$"
    assert re.search(worst, done.stdout, re.MULTILINE)
    assert "one colour stays one colour              held on 40 images" in done.stdout
    assert lines[-1].startswith(f"FOUND: {FUZZED}:floor_crop: ")
    assert lines[-1].endswith("--seed 11 draws the same images again.")
    again = [line.removeprefix("repeat  ") for line in lines if line.startswith("repeat  ")]
    assert again
    for line in again:
        words = shlex.split(line)
        assert words[:2] == ["clip-conformance", "fuzz"]
        repeated = command(*words[1:], cwd=tmp_path)
        assert repeated.returncode == 1
        assert repeated.stdout.splitlines()[-1].startswith("FAILS: ")
        fixed = command(*(word.replace("floor_crop", "sound") for word in words[1:]), cwd=tmp_path)
        assert fixed.returncode == 0
        assert fixed.stdout.startswith("PASSES: ")
    assert {path.name for path in tmp_path.iterdir()} == {"found here"}


def test_the_command_says_what_it_ran_with(tmp_path):
    more = ("--model", "RN50x4", "--require", "exact", "--timeout", "7", "--input", "array", "--images", "3")
    done = quick("raw_memory", *more, "--seed", "2", cwd=tmp_path)
    assert done.returncode == 1
    repeated = next(line for line in done.stdout.splitlines() if line.startswith("repeat  "))
    for words in ("--model RN50x4", "--require exact", "--timeout 7", "--input array"):
        assert words in repeated


def test_nothing_found_exits_with_0_and_leaves_nothing(tmp_path):
    done = quick("sound", "--images", "5", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("NOTHING FOUND: ")
    seed = re.search(r"seed (\d+)  required", done.stdout)[1]
    assert done.stdout.splitlines()[-1].endswith(f"--seed {seed} draws the same images again.")
    assert list(tmp_path.iterdir()) == []


def test_a_violated_property_is_named_and_repeated(tmp_path):
    done = quick("writes_later", "--images", "4", "--seed", "3", cwd=tmp_path)
    assert done.returncode == 1
    assert "property violated: the input is not changed" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("repeat  "))
    assert line.endswith(" --property untouched")
    assert command(*shlex.split(line)[2:], cwd=tmp_path).returncode == 1


def test_the_same_seed_draws_the_same_images(tmp_path):
    logs = []
    for number, seed in enumerate(("5", "5", "6")):
        log = tmp_path / f"{number}.log"
        done = quick(
            "recorded", "--images", "6", "--seed", seed, cwd=tmp_path, env={**os.environ, "FUZZ_LOG": str(log)}
        )
        assert done.returncode == 0
        logs.append(log.read_text(encoding="utf-8"))
    assert logs[0] == logs[1]
    assert len(set(logs[0].splitlines())) > 30
    assert logs[0] != logs[2]


@pytest.mark.skipif(os.name == "nt", reason="an interrupt cannot be sent to one process there")
def test_an_interrupt_shows_what_was_found(tmp_path):
    log = tmp_path / "log"
    words = ["fuzz", f"{FUZZED}:recorded_blue_first", "--time", "600", "--seed", "1", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        [sys.executable, "-m", "clip_conformance", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "FUZZ_LOG": str(log)},
        start_new_session=True,
    )
    try:
        # When images of a later search are drawn, the first one is over.
        while process.poll() is None and not (log.exists() and "\n1 " in log.read_text(encoding="utf-8")):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1
    assert " end to end  RGB, " in out
    assert "Interrupted: this is what was found so far." in out
    assert out.splitlines()[-1].startswith("FOUND: ")
    assert "Traceback" not in errors
    assert len(list((tmp_path / "out").iterdir())) >= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nosuch",), "'nosuch' is no candidate"),
        (("dir:somewhere",), "fuzz needs a candidate that runs"),
        ((f"{FUZZED}:sound", "--model", "all"), "fuzz takes one model"),
        ((f"{FUZZED}:sound", "--model", "ViT"), "no model 'ViT'"),
        ((f"{FUZZED}:refuses_all",), "nothing to compare: a plain RGB image of 224 x 224 has no output for normalize"),
        ((f"{FUZZED}:sound", "--time", "0"), "--time"),
        ((f"{FUZZED}:sound", "--seed", "-1"), "--seed"),
        ((f"{FUZZED}:sound", "--property", "twice"), "--property goes with --repeat"),
        ((f"{FUZZED}:sound", "--repeat", "none.png"), "no file none.png"),
        ((f"{FUZZED}:sound", "--repeat", "text.png"), "text.png is no image to repeat"),
        ((f"{FUZZED}:sound", "--repeat", "text.json"), "text.json is no image to repeat"),
        ((f"{FUZZED}:sound", "--repeat", "outside.json"), "outside.json is no image to repeat"),
        ((f"{FUZZED}:sound", "--repeat", "mode.json"), "has the mode 'LAB'"),
        ((f"{FUZZED}:sound", "--repeat", "shape.json"), "float64 [2, 2] is no image of mode F"),
        ((f"{FUZZED}:sound", "--repeat", "other.json"), "has the schema 'other'"),
        ((f"{FUZZED}:sound", "--repeat", "grey.png", "--property", "permute"), "is about RGB images alone"),
        ((f"{FUZZED}:sound", "--repeat", "grey.png", "--property", "constant"), "is about images of one colour alone"),
        ((f"{FUZZED}:sound", "--repeat", "grey.png", "--property", "batch"), "batch is not offered"),
    ],
)
def test_an_error_is_one_line_and_exits_with_2(tmp_path, arguments, words):
    schema = '"schema": "clip-conformance/fuzz-image/1"'
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "text.json").write_text("text")
    (tmp_path / "outside.json").write_text(f'{{{schema}, "mode": "L", "samples": "../x.npy"}}')
    (tmp_path / "mode.json").write_text(f'{{{schema}, "mode": "LAB", "samples": "a.npy"}}')
    (tmp_path / "shape.json").write_text(f'{{{schema}, "mode": "F", "samples": "a.npy"}}')
    (tmp_path / "other.json").write_text('{"schema": "other", "mode": "F", "samples": "a.npy"}')
    np.save(tmp_path / "a.npy", np.zeros((2, 2)))
    render(Recipe("L", 2, 2, Content("noise"))).write_png(tmp_path / "grey.png")
    done = command("fuzz", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert len([line for line in done.stderr.splitlines() if line.startswith(("clip-conformance:", "Error:"))]) == 1


def test_without_hypothesis_one_line_says_what_to_install(tmp_path):
    (tmp_path / "hypothesis").mkdir()
    (tmp_path / "hypothesis/__init__.py").write_text("raise ModuleNotFoundError('no', name='hypothesis')\n")
    done = command("fuzz", f"{FUZZED}:sound", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "clip-conformance: fuzz needs Hypothesis; pip install 'clip-conformance[fuzz]'\n"
    picture = render(Recipe("RGB", 2, 2, Content("noise")))
    repeated = command("fuzz", f"{FUZZED}:sound", "--repeat", str(save(picture, tmp_path, "x")), cwd=tmp_path)
    assert repeated.returncode == 0


def test_help_loads_no_hypothesis():
    code = (
        "import sys\nfrom clip_conformance.cli import main\n"
        "try:\n    main(['fuzz', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('hypothesis', 'numpy', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_command_knows_all_properties_and_levels():
    from clip_conformance.cli import fuzz as module

    given_options = {option.name: option for option in module.params}
    assert list(given_options["property_"].type.choices) == list(properties.PROPERTIES)
    assert set(given_options["require"].type.choices) == set(clip_spec.level_ids()) - {"divergent"}
