"""The engine: candidates of every shape, sound and unsound, and what becomes of each case."""

import sys
import threading
import types
from pathlib import Path

import pytest

import candidates
import clip_conformance
from clip_conformance import UsageError, check, engine
from clip_reference import preprocess

HERE = str(Path(__file__).with_name("candidates.py"))
FEW = (
    "pin-values",
    "pin-noise",
    "crop-right-3",
    "crop-down-1",
    "down-300-noise",
    "sides-640x480",
    "empty-width",
)


def run(name, **options):
    return check(f"{HERE}:{name}", **{"scopes": ("arrays", "modes"), "select": FEW, "jobs": 1, **options})


def status(report, fixture):
    return next(case for case in report.cases if case.fixture == fixture)


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize(("name", "level"), candidates.SOUND.items())
def test_sound_candidates_pass(name, level):
    report = run(name)
    assert report.level == level
    assert report.passed
    assert report.summary.blame == []


def test_an_array_candidate_gets_arrays():
    assert run("on_arrays", input="array", scopes=("arrays",), select=FEW[:4]).level == "exact"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("number", "a int is no preprocessor"),
        ("missing", "has no 'missing'; it has"),
    ],
)
def test_what_is_no_preprocessor_is_refused_in_one_line(name, words):
    with pytest.raises(UsageError) as refused:
        run(name)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.clause("CNF-5")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("returns_text", "it returned a str, which is no image; return a torch tensor"),
        ("returns_none", "it returned a NoneType, which is no image"),
        ("returns_objects", "it returned an array of object, which is no image"),
        ("returns_other_dict", "it returned a dict without pixel_values (it has image)"),
    ],
)
def test_what_returns_no_image_is_an_error_of_each_case(name, words):
    report = run(name, select=FEW[:2])
    assert [case.status for case in report.cases] == ["error", "error"]
    assert all(words in case.message for case in report.cases)


@pytest.mark.clause("CNF-5")
@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("aborts_on_crop", {}, ("crash", "SIGABRT")),
        ("exits_on_crop", {}, ("crash", "exited with 3")),
        ("hangs_on_crop", {"timeout": 2}, ("timeout", "within 2 s")),
        ("refuses_crop", {}, ("rejected", "not supported")),
    ],
)
def test_a_failure_costs_one_case(name, options, expected):
    report = run(name, **options)
    case = status(report, "crop-right-3")
    assert (case.status, case.level) == (expected[0], "divergent")
    assert expected[1] in case.message
    assert not report.passed
    assert {other.level for other in report.cases if other is not case} == {"exact"}
    assert report.summary.counts[expected[0]] == 1


@pytest.mark.clause("CNF-5")
def test_exceptions_are_errors_with_one_line():
    report = run("raises")
    assert status(report, "pin-noise").message == "RuntimeError: first line second line"
    assert report.summary.counts["error"] == len(FEW) - 1
    assert status(report, "empty-width").level == "exact"


@pytest.mark.clause("CNF-5", "INP-2")
def test_accepting_what_must_be_rejected_fails():
    report = check(lambda image: preprocess(image if image.width else image.resize((1, 1))), select=["empty-w*"])
    assert (report.cases[0].status, report.cases[0].level) == ("ok", "divergent")
    assert report.cases[0].message == "accepted an image that must be rejected"


@pytest.mark.clause("CNF-2")
def test_nan_fails_every_bound():
    report = run("with_nan")
    assert {case.level for case in report.cases if case.checks} == {"divergent"}
    assert "not finite" in status(report, "pin-noise").checks[0].note


@pytest.mark.clause("CNF-3")
def test_half_precision_is_close():
    report = run("half_precision", select=["pin-*"])
    assert report.level == "close"


@pytest.mark.clause("CNF-4")
def test_staged_candidates_are_scored_alone_and_end_to_end():
    report = check(f"{HERE}:FloorCrop", scopes=("arrays",), jobs=1)
    crop = [check for case in report.cases for check in case.checks if check.stage == "center_crop"]
    assert report.summary.blame == ["center_crop"]
    assert report.summary.stages["normalize"].level == "exact"
    assert report.summary.end_to_end.level == "divergent"
    assert {check.view for check in crop} == {"isolated", "cumulative"}
    assert status(report, "crop-right-3").level == "divergent"
    assert status(report, "crop-right-1").level == "exact"


@pytest.mark.clause("CNF-4")
def test_two_faults_are_both_blamed():
    report = check(f"{HERE}:FloorCropAndHalves", scopes=("arrays",), select=FEW[:5], jobs=1)
    assert report.summary.blame == ["center_crop", "normalize"]


@pytest.mark.clause("CNF-5")
def test_a_part_is_no_whole():
    whole = run("ResizeAlone", scopes=("arrays",), select=FEW[:5])
    assert whole.summary.counts["missing"] == 5
    assert not whole.passed
    assert "--stage resize" in whole.cases[0].message
    alone = run("ResizeAlone", scopes=("arrays",), select=FEW[:5], stages=("resize",))
    assert alone.level == "exact"
    assert list(alone.summary.stages) == ["resize"]


def test_objects_of_the_caller_are_sent_to_the_worker():
    scale = 1.0
    assert check(lambda image: preprocess(image) * scale, select=["pin-noise"]).level == "exact"
    assert check(candidates.Staged(), select=["pin-noise", "crop-right-3"]).level == "exact"


def test_an_object_that_cannot_be_sent_says_what_to_do():
    lock = threading.Lock()
    with pytest.raises(UsageError, match="cannot be sent to the worker process"):
        check(lambda image: (lock, preprocess(image))[1], select=["pin-noise"])


def test_require_raises_with_the_verdict():
    report = check(candidates.FloorCrop(), select=["crop-right-*"])
    assert report.require("divergent") is report
    with pytest.raises(clip_conformance.NotConforming, match=r"divergent, required equivalent: \d of .*center_crop"):
        report.require("equivalent")


def test_all_models_need_a_candidate_for_any_n_px():
    report = run("any_n_px", model="all", select=["pin-noise", "crop-right-3"])
    assert [case.n_px for case in report.cases] == [224, 224, 288, 288, 336, 336, 384, 384, 448, 448]
    assert report.level == "exact"
    with pytest.raises(UsageError, match="made for one n_px"):
        run("sound", model="all")


def test_a_small_shared_memory_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(engine.tempfile, "tempdir", str(tmp_path))
    for free, inside in ((64 << 20, True), (4 << 30, not Path("/dev/shm").is_dir())):
        monkeypatch.setattr(engine.shutil, "disk_usage", lambda path, free=free: types.SimpleNamespace(free=free))
        with engine.workdir() as folder:
            assert (Path(folder).parent == tmp_path) == inside


def test_jobs_do_not_change_the_verdict():
    one, two = (run("FloorCrop", select=["crop-*", "pin-*"], jobs=jobs) for jobs in (1, 2))
    assert [(case.id, case.level, case.checks) for case in one.cases] == [
        (case.id, case.level, case.checks) for case in two.cases
    ]


@pytest.mark.parametrize(
    ("options", "words"), [({"model": "ViT-Z"}, "no model"), ({"select": ["zz*"]}, "matches 'zz*'")]
)
def test_nothing_to_run_is_an_error(options, words):
    with pytest.raises(UsageError) as refused:
        run("sound", **options)
    assert words in str(refused.value)


@pytest.mark.parametrize("options", [{"scopes": ("array",)}, {"require": "perfect"}, {"stages": ("crop",)}])
def test_a_word_that_is_no_choice_is_an_error(options):
    with pytest.raises(UsageError, match="is not one of"):
        run("sound", **options)


def test_a_candidate_that_cannot_be_made_is_an_error_in_one_line():
    with pytest.raises(UsageError, match="cannot be set up: TypeError"):
        run("NeedsArguments")


def test_an_object_whose_module_the_worker_lacks_says_what_to_do(monkeypatch):
    module = types.ModuleType("only_here")
    exec("def preprocess(image): return image", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    with pytest.raises(UsageError, match="cannot be loaded in the worker process"):
        check(module.preprocess, select=["pin-noise"])


@pytest.mark.clause("CNF-4")
def test_where_nothing_but_the_float_end_acts_its_own_bounds_hold():
    report = run("slightly_off_here_and_there", select=["pin-noise", "crop-right-3"])
    assert [case.level for case in report.cases] == ["close", "equivalent"]


def test_what_a_candidate_registers_for_its_end_is_called(tmp_path):
    (tmp_path / "leaves.py").write_text(
        "import atexit, pathlib, sys, clip_reference\n"
        "preprocess = clip_reference.preprocess\n"
        f"atexit.register(lambda: pathlib.Path({str(tmp_path / 'left')!r}).write_text('yes'))\n"
        f"class Kept:\n    def __del__(self):\n        open({str(tmp_path / 'apart')!r}, 'w')\n"
        "kept = Kept()\n"
        f"log = open({str(tmp_path / 'log')!r}, 'w')\n"
        "log.write('not flushed')\n"
    )
    assert check(f"{tmp_path / 'leaves.py'}:preprocess", select=FEW, jobs=1).passed
    assert (tmp_path / "left").read_text() == "yes"
    assert (tmp_path / "log").read_text() == "not flushed"
    # Its modules are not taken apart, which takes torch a second.
    assert not (tmp_path / "apart").exists()
