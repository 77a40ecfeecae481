"""The options of `pytest --pyargs clip_conformance.suite`.

pytest loads this module in every run, so it imports next to nothing.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from clip_conformance.pytest_engine import Engine

_STASH: "pytest.StashKey[Engine]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the --clip-* options."""
    group = parser.getgroup("clip-conformance", "score a CLIP image preprocessor (--pyargs clip_conformance.suite)")
    group.addoption("--clip-candidate", metavar="CANDIDATE", help="as for clip-conformance check")
    group.addoption("--clip-model", default="ViT-B/32", metavar="MODEL", help="a model (default: ViT-B/32)")
    group.addoption(
        "--clip-require",
        default="equivalent",
        choices=["exact", "equivalent", "close", "divergent"],
        help="the level that passes (default: equivalent)",
    )
    group.addoption(
        "--clip-scope",
        action="append",
        choices=["arrays", "modes", "files"],
        help="score this scope; repeatable (default: all)",
    )
    group.addoption("--clip-select", action="append", default=[], metavar="GLOB", help="fixtures to run; repeatable")
    group.addoption("--clip-timeout", type=float, default=20.0, metavar="SECONDS", help="for one case (default: 20)")


def pytest_configure(config: pytest.Config) -> None:
    """Register the one marker."""
    about = "clip(stage, scope, mode, fault): a test of clip_conformance.suite, for -m"
    config.addinivalue_line("markers", f"{about} \"clip(stage='resize')\" or \"clip(fault='crop-floor')\"")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is scored against which revision of the standard."""
    candidate = config.getoption("--clip-candidate")
    if not candidate:
        return None
    import clip_spec
    from clip_conformance.version import version

    model, required = config.getoption("--clip-model"), config.getoption("--clip-require")
    suite = f"clip-conformance {version()}, spec {clip_spec.canon().spec}"
    return f"{suite}: {candidate} as {model}, {required} required"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let -k choose a test of the suite by scope and by mistake as well."""
    for mark in item.iter_markers("clip"):
        item.extra_keyword_matches.update(str(value) for value in mark.kwargs.values() if value)


def engine_of(config: pytest.Config) -> "Engine":
    """Return the engine of this run, started when it is first asked for.

    Raises:
        pytest.UsageError: there is no candidate, or it cannot start.
    """
    from clip_conformance.errors import UsageError
    from clip_conformance.pytest_engine import Engine

    if _STASH not in config.stash:
        if not config.getoption("--clip-candidate"):
            raise pytest.UsageError(
                "clip_conformance.suite needs --clip-candidate: pkg.mod:attr, path/file.py:attr, cmd:./adapter or a "
                "built-in name"
            )
        try:
            config.stash[_STASH] = Engine(
                config.getoption("--clip-candidate"),
                model=config.getoption("--clip-model"),
                scopes=config.getoption("--clip-scope"),
                globs=config.getoption("--clip-select"),
                required=config.getoption("--clip-require"),
                timeout=config.getoption("--clip-timeout"),
            )
        except UsageError as error:
            raise pytest.UsageError(f"clip-conformance: {error}") from error
    return config.stash[_STASH]


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the worker."""
    if _STASH in config.stash:
        config.stash[_STASH].close()
