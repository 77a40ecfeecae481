"""The conformance suite: does a preprocessor conform, at which stage does it leave the canon, and by how much."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clip_conformance.engine import check
    from clip_conformance.errors import UsageError
    from clip_conformance.report import NotConforming, Report

__all__ = ["NotConforming", "Report", "UsageError", "check"]

_HOMES = {"check": "engine", "Report": "report", "NotConforming": "report", "UsageError": "errors"}


def __getattr__(name: str) -> Any:
    """Load the engine when it is first asked for, so that the command's --help stays fast."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
