"""cmd: adapters, sound and unsound: the verdict of the case, the message at fault, and what the others keep."""

import json
import shlex
import sys
from pathlib import Path

import msgspec
import pytest

from clip_conformance import UsageError, check, protocol

BANK = Path(__file__).with_name("adapters.py")
FEW = ("pin-values", "crop-right-3", "crop-down-1")
AT = "crop-right-3@224"


def bank(*words):
    return "cmd:" + shlex.join([sys.executable, str(BANK), *map(str, words)])


def run(*words, **options):
    return check(bank(*words), **{"scopes": ["arrays"], "select": FEW, "jobs": 1, "timeout": 5, **options})


def script(tmp_path, body):
    """A candidate that is a script of its own; `body` sees each message as `m` and calls say(reply)."""
    path = tmp_path / "adapter.py"
    path.write_text(
        "import json, os, sys, time\n"
        "def say(reply):\n    print(json.dumps(reply), flush=True)\n"
        f"for line in sys.stdin:\n    m = json.loads(line)\n{body}"
    )
    return f"cmd:{shlex.quote(sys.executable)} {shlex.quote(str(path))}"


@pytest.mark.parametrize(
    "behaviour",
    ["sound", "bare", "absolute", "fortran", "big_endian", "unknown_key", "floods_stderr", "child_keeps_stderr"],
)
def test_what_says_the_same_in_another_way_is_exact(behaviour):
    report = run(behaviour)
    assert [case.level for case in report.cases] == ["exact"] * 3
    assert report.header.candidate["implementation"] == "bank"


BROKEN = {
    "junk": (
        "error",
        'answer to run 3 (crop-right-3@224) is wrong, not JSON (stdout is for answers alone): "hello from a library"',
    ),
    "junk_before": ("error", "is wrong, not JSON"),
    "unfinished": (
        "timeout",
        'no answer to run 3 (crop-right-3@224) within 2 s, an unfinished line: "{"seq": 2, "sta"',
    ),
    "unfinished_end": ("crash", 'it exited with 0 before it answered run 3 (crop-right-3@224), an unfinished line: "{'),
    "wrong_seq": ("error", "the answer to run 3 (crop-right-3@224) has the seq 4, expected 3"),
    "text_seq": ("error", "Expected `int`, got `str` - at `$.seq`"),
    "no_status": ("error", "Object missing required field `status`"),
    "unknown_status": ("error", "Invalid enum value 'fine' - at `$.status`"),
    "unknown_stage": ("error", "Invalid enum value 'norm'"),
    "a_list": ("error", "Expected `object`, got `array`"),
    "deep": ("error", "the answer to run 3 (crop-right-3@224) is wrong"),
    "not_unicode": ("error", "is wrong, not JSON"),
    "endless": ("error", "the answer to run 3 (crop-right-3@224) is a line of more than 64 MiB"),
    "nothing": ("missing", "the answer names no output for normalize"),
    "outside": ("error", "the answer to run 3 (crop-right-3@224): /etc/passwd is outside of"),
    "upwards": ("error", "../../../etc/passwd is outside of"),
    "linked": ("error", "normalize.npy is outside of"),
    "pipe": ("error", "is no regular file"),
    "folder": ("error", "is no regular file"),
    "no_file": ("error", "it names an output for normalize, but "),
    "nul": ("error", "is no path"),
    "no_base64": ("error", "data is not base64"),
    "short_base64": ("error", "3 bytes, expected 602112"),
    "odd_dtype": ("error", "data of the dtype 'object'"),
    "rejects": ("rejected", "no thanks"),
    "skips": ("skipped", "not built"),
    "fails": ("error", "first second"),
    "exits": ("crash", "it exited with 3 before it answered run 3"),
    "aborts": ("crash", "it died of SIGABRT before"),
    "killed": ("crash", "it died of SIGKILL before"),
    "closes_stdout": ("crash", "it closed its output before"),
    "hangs": ("timeout", "no answer to run 3 (crop-right-3@224) within 2 s"),
    "hangs_deaf": ("timeout", "within 2 s"),
}


@pytest.mark.clause("CNF-5")
@pytest.mark.parametrize("behaviour", BROKEN)
def test_an_answer_that_cannot_be_used_costs_one_case(behaviour):
    report = run(behaviour, timeout=2 if "hang" in behaviour or behaviour == "unfinished" else 8)
    status, words = BROKEN[behaviour]
    case = next(case for case in report.cases if case.id == AT)
    assert (case.status, case.level) == (status, "divergent")
    assert words in case.message
    assert "\n" not in case.message
    assert len(case.message) < 400
    assert [other.level for other in report.cases if other is not case] == ["exact"] * 2
    assert not report.passed


WRONG = {
    "float64": "dtype float64, expected float32",
    "batch": "shape [1, 3, 224, 224], expected [3, 224, 224]",
    "rows_first": "height, width, channel instead of channel, height, width",
    "bare_uint8": "150528 bytes, expected 602112 (float32 [3, 224, 224]) or a .npy file; one byte a sample",
    "bare_big_endian": "in the other byte order they are sound",
    "empty": "0 bytes, expected 602112",
    "objects": "an array of Python objects, which is never loaded",
    "pickled": "bytes, expected 602112",
    "text": "an array of <U1, which is no image",
    "truncated": "bytes of samples, where its header promises 602112",
    "boasting": "0 bytes of samples, where its header promises 13194139533312",
    "two_gigabytes": "shape [536870912], expected [3, 224, 224]",
    "not_a_number": "1 samples are not finite",
}


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize("behaviour", WRONG)
def test_an_array_that_is_wrong_is_scored_as_what_it_is(behaviour, tmp_path):
    mark = tmp_path / "unpickled"
    report = run(behaviour, mark)
    case = next(case for case in report.cases if case.id == AT)
    notes = [check.note for check in case.checks if check.view == "cumulative"]
    assert case.level != "exact"
    assert len(notes) == 1
    assert WRONG[behaviour] in notes[0]
    assert [other.level for other in report.cases if other is not case] == ["exact"] * 2
    assert not mark.exists()


def test_one_that_breaks_on_every_case_is_restarted_every_time():
    report = run("exits", "always")
    assert [case.status for case in report.cases] == ["crash"] * 3


def test_one_that_does_not_come_back_is_given_up(tmp_path):
    flag = tmp_path / "once"
    candidate = script(
        tmp_path,
        f"    if m['cmd'] == 'start':\n        if os.path.exists({str(flag)!r}): sys.exit(7)\n"
        f"        open({str(flag)!r}, 'w').close(); say({{'status': 'ok', 'protocol': 1}})\n"
        "    elif m['cmd'] == 'profile': say({'status': 'ok', 'stages': ['normalize']})\n"
        "    else: os._exit(1)\n",
    )
    report = check(candidate, scopes=["arrays"], select=["crop-*"], jobs=1)
    messages = [case.message for case in report.cases]
    assert {case.status for case in report.cases} == {"crash"}
    assert "it exited with 1" in messages[0]
    assert "it exited with 7 before it answered start" in messages[1]
    assert all("could not be restarted 3 times in a row" in message for message in messages[4:20])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    pass\n", "before it answered start"),
        (
            "    sys.stderr.write('no libfoo\\n'); sys.exit(4)\n",
            "exited with 4 before it answered start; its last words",
        ),
        (
            "    print('Welcome!', flush=True)\n",
            'the answer to start is wrong, not JSON (stdout is for answers alone): "Welcome!"',
        ),
        ("    say({'status': 'ok'})\n", "missing required field `protocol`"),
        ("    say({'status': 'ok', 'protocol': 2})\n", "speaks protocol 2, this suite speaks 1"),
        ("    say({'status': 'error', 'protocol': 1, 'message': 'no weights'})\n", "no weights"),
        ("    say({'status': 'ok', 'protocol': 1, 'stages': 3})\n", "Expected `array`, got `int` - at `$.stages`"),
        ("    say({'status': 'ok', 'protocol': 1})\n", "answered profile without stages"),
        (
            "    say({'status': 'ok' if m['cmd'] == 'start' else 'skipped', 'protocol': 1, 'message': 'only 336'})\n",
            "only 336",
        ),
    ],
)
def test_one_that_cannot_start_ends_the_run_in_one_line(tmp_path, body, words):
    if body == "    pass\n":
        body = "    sys.exit(0)\n"
    with pytest.raises(UsageError) as refused:
        check(script(tmp_path, body), select=["pin-values"])
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        ("cmd:", "cmd: needs a command"),
        ("cmd:'unclosed", "cannot be split into words"),
        ("cmd:./no-such-program", "cannot be started: No such file or directory"),
        (f"cmd:{BANK}", "cannot be started: Permission denied"),
    ],
)
def test_a_command_that_is_none_is_refused(candidate, words):
    with pytest.raises(UsageError, match=words):
        check(candidate, select=["pin-values"])


STAGED = """
import json, math, sys, numpy as np, clip_reference
STAGES = ["resize", "center_crop", "convert_rgb", "to_tensor", "normalize"]
SPOILT, SHOWN, ALONE = sys.argv[1], sys.argv[2].split(","), sys.argv[3].split(",") if sys.argv[3] else []
n = 224
for line in sys.stdin:
    m = json.loads(line)
    if m["cmd"] == "start":
        r = {"status": "ok", "protocol": 1}
    elif m["cmd"] == "profile":
        n = m["n_px"]
        r = {"status": "ok", "stages": SHOWN, "from": ALONE}
    elif m["cmd"] == "run":
        g = m["input"]
        x = np.fromfile(g["path"], g["dtype"], offset=g["offset"]).reshape(g["shape"])
        out = {}
        start = STAGES.index(m["from"]) + 1 if m.get("from", "decode") != "decode" else 0
        for stage in STAGES[start:]:
            if stage == "resize":
                resized = np.asarray(clip_reference.trace(x, n).resize)
                changed = resized.shape != x.shape
                x = np.roll(resized, 1, axis=1) if changed and SPOILT == stage else resized
            elif stage == "center_crop":
                place = math.floor if SPOILT == stage else round
                top, left = (place((side - n) / 2) for side in x.shape[:2])
                x = x[top:top + n, left:left + n]
            elif stage == "to_tensor":
                x = (x.transpose(2, 0, 1) / np.float32(255)).astype(np.float32)
            elif stage == "normalize":
                mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32).reshape(3, 1, 1)
                std = np.array([0.26862954, 0.26130258, 0.27577711], np.float32).reshape(3, 1, 1)
                x = (x - mean) / std
            if stage == SPOILT and x.dtype == np.float32:
                x = x + np.float32(3)
            if stage in m["stages"]:
                np.save(m["out"] + "/" + stage, x)
                out[stage] = stage + ".npy"
        r = {"seq": m["seq"], "status": "ok", "outputs": out}
    else:
        break
    print(json.dumps(r), flush=True)
"""
EVERY = ["resize", "center_crop", "convert_rgb", "to_tensor", "normalize"]


def staged(tmp_path, spoilt, shown, alone=()):
    path = tmp_path / "staged.py"
    path.write_text(STAGED)
    words = [sys.executable, str(path), spoilt, ",".join(shown), ",".join(alone)]
    few = ["crop-right-*", "crop-down-*", "pin-*", "down-300-*", "sides-640x480", "photo-coffee"]
    return check("cmd:" + shlex.join(words), scopes=["arrays"], select=few, strict=True)


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize("alone", [EVERY, []])
@pytest.mark.parametrize("spoilt", ["", "resize", "center_crop", "to_tensor", "normalize"])
def test_stages_are_scored_alone_where_they_can_be_injected(tmp_path, spoilt, alone):
    report = staged(tmp_path, spoilt, EVERY, alone)
    assert report.header.stages == EVERY
    assert report.summary.blame == ([spoilt] if spoilt else [])
    assert report.level == ("divergent" if spoilt else "exact")
    if alone and spoilt:
        assert all(report.summary.stages[stage].level == "exact" for stage in EVERY if stage != spoilt)


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize("spoilt", ["", "resize", "center_crop", "normalize"])
@pytest.mark.parametrize(
    "shown",
    [
        ["normalize"],
        ["convert_rgb", "normalize"],
        ["center_crop", "convert_rgb", "normalize"],
        ["resize", "normalize"],
        ["resize", "center_crop", "normalize"],
        ["resize", "center_crop", "to_tensor", "normalize"],
    ],
)
def test_a_stage_that_is_not_shown_is_blamed_all_the_same(tmp_path, spoilt, shown):
    report = staged(tmp_path, spoilt, shown)
    assert report.summary.blame == ([spoilt] if spoilt else [])
    levels = {stage: report.summary.stages[stage].level for stage in ("resize", "center_crop", "normalize")}
    if spoilt != "normalize":  # which is in every final tensor
        # Nobody inherits: what follows is judged where what came before left the canon alone.
        assert levels == {stage: "divergent" if stage == spoilt else "exact" for stage in levels}


DECODING = """
import json, sys, numpy as np, clip_reference
from PIL import Image
for line in sys.stdin:
    m = json.loads(line)
    if m["cmd"] == "start":
        r = {"status": "ok", "protocol": 1}
    elif m["cmd"] == "profile":
        r = {"status": "ok", "stages": ["normalize"]}
    elif m["cmd"] == "run":
        g = m["input"]
        if g["kind"] == "file":
            x = Image.open(g["path"]).convert("RGB")
            if sys.argv[1] == "decode":
                x = x.point(lambda v: 255 - v)
        else:
            x = Image.fromarray(np.fromfile(g["path"], g["dtype"], offset=g["offset"]).reshape(g["shape"]))
        if sys.argv[1] == "resize":
            w, h = x.size
            x = x.resize((224, 224 * h // w) if w <= h else (224 * w // h, 224), Image.NEAREST)
        clip_reference.preprocess(x).tofile(m["out"] + "/a")
        r = {"seq": m["seq"], "status": "ok", "outputs": {"normalize": "a"}}
    else:
        break
    print(json.dumps(r), flush=True)
"""


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize("spoilt", ["decode", "resize"])
def test_one_scope_alone_is_enough_to_find_the_stage(tmp_path, spoilt):
    path = tmp_path / "decoding.py"
    path.write_text(DECODING)
    candidate = f"cmd:{shlex.join([sys.executable, str(path), spoilt])}"
    report = check(candidate, scopes=["files"], select=["jpeg-4*", "webp-lossy*", "bmp-24"])
    assert report.summary.blame == [spoilt]
    assert {case.scope for case in report.cases} == {"files"}


INLINE = """
import base64, json, sys, numpy as np, clip_reference
for line in sys.stdin:
    m = json.loads(line)
    if m["cmd"] == "start":
        r = {"status": "ok", "protocol": 1, "arrays": "inline"}
    elif m["cmd"] == "profile":
        r = {"status": "ok", "stages": ["normalize"]}
    elif m["cmd"] == "run":
        g = m["input"]
        assert "path" not in g
        x = np.frombuffer(base64.b64decode(g["data"]), g["dtype"]).reshape(g["shape"])
        data = base64.b64encode(clip_reference.preprocess(x).tobytes()).decode()
        output = {"data": data, "dtype": "float32", "shape": [3, 224, 224]}
        r = {"seq": m["seq"], "status": "ok", "outputs": {"normalize": output}}
    else:
        break
    print(json.dumps(r), flush=True)
"""


def test_a_runtime_without_files_gets_and_gives_base64(tmp_path):
    path = tmp_path / "inline.py"
    path.write_text(INLINE)
    report = check(f"cmd:{sys.executable} {path}", scopes=["arrays"], select=["sides-640x480", *FEW], strict=True)
    assert report.level == "exact"


def test_a_runtime_without_files_that_does_not_read_is_timed_out(tmp_path):
    body = (
        "    if m['cmd'] == 'profile': say({'status': 'ok', 'stages': ['normalize']}); time.sleep(60)\n"
        "    say({'status': 'ok', 'protocol': 1, 'arrays': 'inline'})\n"
    )
    report = check(script(tmp_path, body), scopes=["arrays"], select=["sides-640x480"], timeout=0.5)
    assert report.cases[0].status == "timeout"


STRICT = {
    "unknown_key": "Additional properties are not allowed ('took' was unexpected)",
    "fortran": "normalize is in Fortran order",
    "big_endian": "normalize is big-endian",
    "nothing": "outputs of nothing, asked for normalize",
    "text_seq": "is not of type 'integer'",
}


@pytest.mark.parametrize("behaviour", STRICT)
def test_strict_protocol_forbids_what_is_otherwise_forgiven(behaviour):
    report = run(behaviour, strict=True)
    case = next(case for case in report.cases if case.id == AT)
    assert case.status == "error"
    assert STRICT[behaviour] in case.message
    assert [other.level for other in report.cases if other is not case] == ["exact"] * 2


def test_strict_protocol_wants_an_orderly_end(tmp_path):
    body = (
        "    if m['cmd'] == 'stop': sys.exit(5)\n"
        "    say({'status': 'ok'} | ({'protocol': 1} if m['cmd'] == 'start' else {'stages': ['normalize']}))\n"
    )
    with pytest.raises(UsageError, match="exited with 5 after stop; it must exit with 0"):
        check(script(tmp_path, body), select=["pin-values"], strict=True)


@pytest.mark.parametrize("options", [{"strict": True}, {"transcript": Path("x")}])
def test_a_conversation_is_needed_for_its_options(options):
    with pytest.raises(UsageError, match="is for candidates that hold a conversation"):
        check("exec:true {input} {output}", select=["pin-values"], **options)


def test_every_message_of_the_suite_round_trips():
    profile = protocol.profile("ViT-B/32", 224)
    given = protocol.Input(kind="array", path="/a.npy", offset=128, dtype="uint8", shape=[2, 3, 3], mode="RGB")
    run_ = protocol.Run(seq=1, case="a@224", input=given, stages=["resize"], out="/o", start="decode")
    for message in (protocol.hello("0.1.0", "/w"), profile, run_, protocol.Stop()):
        line = msgspec.json.encode(message)
        assert msgspec.json.decode(line, type=protocol.Message) == message
    assert json.loads(msgspec.json.encode(run_))["from"] == "decode"


def test_what_does_not_flush_is_told_so(tmp_path):
    body = (
        "    if m['cmd'] == 'run': time.sleep(60)\n"
        "    say({'status': 'ok'} | ({'protocol': 1} if m['cmd'] == 'start' else {'stages': ['normalize']}))\n"
    )
    report = check(script(tmp_path, body), scopes=["arrays"], select=["pin-noise"], timeout=0.3)
    assert report.cases[0].message.endswith("within 0.9 s; is every answer a whole line, and flushed?")


@pytest.mark.clause("CNF-4")
def test_what_was_selected_is_what_is_blamed(tmp_path):
    """A wrong crop where nothing is resized says nothing of the resize."""
    path = tmp_path / "staged.py"
    path.write_text(STAGED.replace("SPOILT == stage else resized", "True else resized"))
    words = [sys.executable, str(path), "center_crop", "normalize", ""]
    report = check("cmd:" + shlex.join(words), scopes=["arrays"], select=["pin-*", "crop-right-?"])
    assert report.summary.blame == ["center_crop"]
