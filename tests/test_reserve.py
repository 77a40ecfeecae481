"""A second process is started where it pays, and never stands in the way."""

from pathlib import Path

import pytest

from clip_conformance import check
from clip_conformance.reserve import pays

# Every process of a candidate leaves a file of its name.
PREFACE = """
import os, time
from pathlib import Path
from clip_reference import preprocess

HERE = Path(__file__).parent / "processes"
HERE.mkdir(exist_ok=True)
others = list(HERE.iterdir())
(HERE / str(os.getpid())).touch()
"""
FAST = "def f(image):\n    return preprocess(image)\n"
SLOW = "def f(image):\n    time.sleep(0.15)\n    return preprocess(image)\n"


def run(tmp_path: Path, code: str, jobs: int, select: str):
    (tmp_path / "candidate.py").write_text(PREFACE + code)
    report = check(
        str(tmp_path / "candidate.py:f"), select=[select], scopes=["arrays"], jobs=jobs, diagnose=False, pictures=False
    )
    assert report.level == "exact"
    assert [case.status for case in report.cases] == ["ok"] * len(report.cases)
    return report, list((tmp_path / "processes").iterdir())


@pytest.mark.parametrize(
    ("opening", "took", "done", "todo", "wanted"),
    [
        (0.3, 0.1, 5, 400, True),  # 20 ms a case: 8 s are left
        (0.3, 0.1, 50, 400, False),  # 2 ms a case: 0.7 s are left
        (6.0, 1.5, 500, 4000, False),  # 10.5 s are left, and opening takes 6
        (6.0, 1.5, 100, 4000, True),  # a minute is left
        (0.3, 60.0, 0, 10, True),  # the first one hangs
        (0.0, 0.1, 9, 10, False),  # nearly done
        (0.0, 60.0, 10, 10, False),
    ],
)
def test_another_lane_has_to_gain_more_than_it_costs(opening, took, done, todo, wanted):
    assert pays(opening, took, done, todo) is wanted


def test_what_is_soon_done_is_done_by_one_process(tmp_path):
    _, processes = run(tmp_path, FAST, 0, "pin-*")
    assert len(processes) == 1


def test_as_many_processes_as_the_user_says(tmp_path):
    _, processes = run(tmp_path, FAST, 2, "pin-*")
    assert len(processes) == 2


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_what_takes_long_gets_a_second_process_and_the_same_report(tmp_path, two_cores):
    report, processes = run(tmp_path, SLOW, 0, "crop-*")
    assert len(processes) == 2
    alone, _ = run(tmp_path, FAST, 1, "crop-*")
    assert [(case.id, case.checks) for case in report.cases] == [(case.id, case.checks) for case in alone.cases]


def test_where_a_second_process_cannot_start_the_first_does_all(tmp_path, two_cores):
    _, processes = run(tmp_path, "if others:\n    raise RuntimeError('one is enough')\n" + SLOW, 0, "crop-*")
    assert len(processes) > 1


def test_a_second_process_that_is_still_starting_ends_with_the_run(tmp_path, two_cores):
    late = f"if others:\n    time.sleep(30)\n    Path({str(tmp_path / 'late')!r}).touch()\n"
    _, processes = run(tmp_path, late + SLOW, 0, "crop-*")
    assert len(processes) == 2
    assert not (tmp_path / "late").exists()
    for process in processes:
        assert not Path("/proc", process.name).exists(), "it is still there"
