"""A candidate's text made harmless to look at: short, on one reading direction, without control characters."""

import unicodedata
from typing import Any

_SPACES = "\n\t"
# Control, format (bidi overrides, zero width), surrogate, unassigned, private use, line and paragraph separators.
_HIDDEN = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
# Entries of one list or mapping; what the suite writes has far fewer.
_ENTRIES = 500


def plain(text: str, most: int = 300) -> str:
    r"""Return a text of at most `most` characters, in which hidden characters are written out, as in "\u202e"."""
    cut = text if len(text) <= most else f"{text[: max(most - 1, 0)]}…"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in _HIDDEN and char not in _SPACES
        else char
        for char in cut
    )


def one_line(text: str, most: int = 200) -> str:
    """Return the beginning of a stranger's text as one line of at most `most` characters."""
    return plain(plain(" ".join(text[: 2 * most].split()), most), most)


def plain_all(value: Any, most: int) -> Any:
    """Return builtins with every text in them made harmless, keys too."""
    if isinstance(value, str):
        return plain(value, most)
    if isinstance(value, dict):
        return {plain_all(key, most): plain_all(entry, most) for key, entry in list(value.items())[:_ENTRIES]}
    if isinstance(value, (list, tuple)):
        return [plain_all(entry, most) for entry in value[:_ENTRIES]]
    return value
