"""The suite as pytest tests: pytest --pyargs clip_conformance.suite --clip-candidate pkg.mod:attr."""

import pytest

from clip_conformance.pytest_plugin import engine_of


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of every case and stage."""
    engine = engine_of(metafunc.config)
    tests = [
        pytest.param(fixture, what, id=name, marks=[pytest.mark.clip(**about) for about in engine.about(fixture, what)])
        for fixture, what, name in engine.tests()
    ]
    metafunc.parametrize(("fixture", "what"), tests)


def test_conformance(fixture: str, what: str, pytestconfig: pytest.Config) -> None:
    """The candidate reaches the required level at one stage of one fixture."""
    problem = engine_of(pytestconfig).problem(fixture, what)
    if problem:
        pytest.fail(problem, pytrace=False)
