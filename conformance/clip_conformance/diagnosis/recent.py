"""A small cache of what was made from images: a search asks for parts of the same image again and again."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """The last `most` results, by the object that they were made from and a key; safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        # The object is kept with its result, so that its id stays its own.
        self._kept: dict[tuple[int, Hashable], tuple[object, T]] = {}

    def get(self, source: object, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` made of a source under a key, now or before."""
        place = (id(source), key)
        with self._lock:
            kept = self._kept.get(place)
        if kept is not None:
            return kept[1]
        made = make()
        with self._lock:
            while len(self._kept) >= self._most:
                self._kept.pop(next(iter(self._kept)))
            self._kept[place] = (source, made)
        return made
