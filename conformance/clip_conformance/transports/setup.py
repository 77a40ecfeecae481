"""What a Python worker is told to load."""

from typing import Literal

import msgspec

InputKind = Literal["pil", "array"]


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """A Python candidate: `target` as the user wrote it, or `pickled`, a file with an object.

    `input` is what a callable takes: a Pillow image, or uint8 [H, W, 3]. `path` goes before the worker's sys.path.
    `seconds` is the limit for one case.
    """

    target: str
    input: InputKind
    pickled: str = ""
    path: list[str] = []
    seconds: float = 20.0
