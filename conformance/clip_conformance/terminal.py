"""Where the commands print: light, for `list` prints and computes nothing."""

import re
import sys
from typing import Any, TextIO, cast

from rich.console import Console

_PADDING = re.compile(" +(?=\n)")


def output() -> Console:
    """Return stdout as a console: as wide as the terminal; into a file or a pipe 120 columns, unpadded."""
    console = Console()
    return console if console.is_terminal else Console(width=120, file=cast(TextIO, _Unpadded(sys.stdout)))


class _Unpadded:
    """Takes the blanks off the ends of lines on their way."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write text, of which lines are whole."""
        return self._file.write(_PADDING.sub("", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
