"""What the reference computed, kept between runs: named by its golden digest, and verified by it when it is read.

An entry that is damaged is none. Several processes may read and write the same folder at once.
"""

import functools
import hashlib
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from clip_conformance import arrays
from clip_conformance.reports.files import replace

# Where it lies; empty: nowhere.
VARIABLE = "CLIP_CONFORMANCE_CACHE"
_VERSION = "1"
_LIMIT = 256 << 20
# Bytes of an entry: more is as fast computed as read.
_LARGEST = 2 << 20
# What is left of a full cache, and seconds after which a file that is not whole has no writer any more.
_KEPT, _STALE = 0.75, 3600.0


class Cache:
    """Contents by their SHA-256, in a folder.

    Args:
        folder: where they lie; made with the first entry. None: nowhere, and nothing is kept.
        limit: bytes that all entries have together, about.
    """

    def __init__(self, folder: Path | None, limit: int = _LIMIT) -> None:
        self._folder = folder / _VERSION if folder is not None else None
        self._limit = limit
        self._held: int | None = None
        self._lock = threading.Lock()

    def get(self, digest: str) -> bytes | None:
        """Return a content, None where it is not there, or is not what its name says."""
        if self._folder is None:
            return None
        path = self._folder / digest
        try:
            with arrays.opened(path) as (file, _):
                content = file.read(_LARGEST + 1)
        except (arrays.Unreadable, OSError):
            return None
        if hashlib.sha256(content).hexdigest() != digest:
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)  # what is used stays
        return content

    def put(self, digest: str, content: bytes) -> None:
        """Keep a content whose digest was verified; where that cannot be, nothing is lost."""
        if self._folder is None or len(content) > min(_LARGEST, self._limit):
            return
        with self._lock, suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._held is None or self._held + len(content) > self._limit:
                self._held = self._swept(len(content))
            replace(self._folder / digest, content)
            self._held += len(content)

    def _swept(self, coming: int) -> int:
        """Delete the entries that were used longest ago where there is no room, and return the bytes that are left."""
        assert self._folder is not None
        found = []
        for entry in os.scandir(self._folder):
            with suppress(OSError):  # another process may have deleted it
                status = entry.stat()
                if entry.name.startswith(".") and time.time() - status.st_mtime > _STALE:
                    os.unlink(entry)
                else:
                    found.append((status.st_mtime, status.st_size, entry.path))
        held = sum(size for _, size, _ in found)
        if held + coming <= self._limit:
            return held
        for _, size, path in sorted(found):
            if held + coming <= _KEPT * self._limit:
                break
            with suppress(OSError):
                os.unlink(path)
            held -= size
        return held


@functools.cache
def default() -> Cache:
    """Return the user's cache: where the variable says, else where the system keeps caches."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Cache(Path(named) if named else None)
    homes = {"darwin": "~/Library/Caches", "win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local")}
    home = homes.get(sys.platform) or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    with suppress(RuntimeError):  # no home
        return Cache(Path(home).expanduser() / "clip-conformance")
    return Cache(None)
