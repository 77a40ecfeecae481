"""Anybody's text in Markdown: shown as it is, and never markup, as GitHub and GitLab render it."""

import re

_GAP = "\u200b"
# What may be markup: anywhere, an underscore but inside a word, a colon but before a gap; and at the beginning.
_MARKED = re.compile(r"[!-$%&*<>@\[-^`{-~]|(?<![^\W_])_|_(?![^\W_])|:(?=\S)|^[-+=:\d]")
# Where GitHub makes links of what is no Markdown: mentions, addresses, references to issues.
_LINKED = re.compile(r"(?<=[@#])|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=\bgh)(?=-)", re.IGNORECASE)


def prose(text: object, room: int) -> str:
    """Return a text as it is, in one line, for Markdown and for HTML.

    Punctuation that may be markup is written as entities; a gap without width keeps apart what GitHub would turn into
    a link.
    """
    apart = _LINKED.sub(_GAP, _plain(text, room))
    return _MARKED.sub(lambda found: f"&#{ord(found[0])};", apart)


def code(text: object, room: int, *, table: bool = False) -> str:
    """Return a text as a code span, "" for none; in a table, bars are escaped."""
    inner = _plain(text, room).strip()
    if not inner:
        return ""
    if table:
        # Some read backslash, backslash, bar as an escaped backslash and the end of a cell.
        inner = re.sub(r"\\(?=\|)", rf"\\{_GAP}", inner).replace("|", r"\|")
    fence = _fence(inner, 1)
    space = " " if inner.startswith("`") or inner.endswith("`") else ""
    return f"{fence}{space}{inner}{space}{fence}"


def fenced(text: str, room: int) -> str:
    """Return lines as a block of code."""
    lines = "\n".join(_plain(line, room) for line in text.strip("\n")[:room].splitlines())
    fence = _fence(lines, 3)
    return f"{fence}\n{lines}\n{fence}"


def _fence(text: str, least: int) -> str:
    """Return more backticks than a text has in a row."""
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))


def _plain(text: object, room: int) -> str:
    """Return a text in one line without what controls how it is shown, cut where it is long."""
    line = "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in str(text)[: room + 1])
    return line if len(line) <= room else line[: room - 1] + "…"
