"""The diagnosis, judged by preprocessors that were written apart from it: named, proved, no false alarm."""

import importlib.util
import os

import PIL
import pytest

import clip_spec
import ports
from clip_conformance import check

# Pillow 12.2 and later change the order of the passes on tall images, which would be a mistake of every port.
pytestmark = pytest.mark.skipif(
    tuple(map(int, PIL.__version__.split(".")[:2])) > (12, 1),
    reason="ports are right on Pillow up to 12.1; the tox environment torch has it",
)
FAULTY = {port.name: port for port in (*ports.SINGLES, *ports.COMBINATIONS)}
STAGES = {fault.id: fault.stage for fault in clip_spec.faults()}
# All of them take a quarter of an hour (CLIP_PORTS=all); a run takes every fifth.
CHOSEN = list(FAULTY) if os.environ.get("CLIP_PORTS") == "all" else list(FAULTY)[::5]
# What the diagnosis does not get right, each for the reason that is given; the shares are bounded below.
NOT_NAMED: dict[str, str] = {}
NOT_BLAMED: dict[str, str] = {}


def needed(port: ports.Port) -> None:
    missing = [name for name in port.needs if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}; the tox environment torch has it")


@pytest.mark.parametrize("name", CHOSEN)
def test_a_faulty_port_fails_is_blamed_and_named(name):
    port = FAULTY[name]
    needed(port)
    summary = check(port.call, jobs=1, timeout=120).summary
    assert not summary.passed
    found = {finding.fault for finding in summary.diagnosis}
    if name not in NOT_BLAMED:
        assert summary.blame[0] == port.stages[0]
    if name not in NOT_NAMED:
        assert all(found & wanted for wanted in port.faults), found


def test_how_many_are_not_right():
    assert set(NOT_NAMED) | set(NOT_BLAMED) <= set(FAULTY)
    assert len(NOT_NAMED) <= 0.1 * len(FAULTY)
    assert len(NOT_BLAMED) <= 0.05 * len(FAULTY)


@pytest.mark.parametrize("port", ports.SOUND, ids=lambda port: port.name)
def test_a_sound_port_raises_no_alarm(port):
    needed(port)
    summary = check(port.call, scopes=("arrays",), jobs=1, timeout=120).summary
    assert summary.passed
    assert (summary.blame, summary.diagnosis, summary.recovered) == ([], [], None)


@pytest.mark.parametrize("port", ports.UNKNOWN, ids=lambda port: port.name)
def test_an_unknown_mistake_is_not_claimed_to_be_a_known_one(port):
    needed(port)
    summary = check(port.call, jobs=1, timeout=120).summary
    assert not summary.passed
    assert summary.recovered is not None
    assert summary.recovered.verdict != "reproduced"
