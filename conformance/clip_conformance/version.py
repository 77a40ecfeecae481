"""The version of the suite."""

from importlib import metadata


def version() -> str:
    """Return the installed version of clip-conformance."""
    return metadata.version("clip-conformance")
