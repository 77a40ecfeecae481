"""Documents that anybody may have written: read up to a limit, and what is wrong with them said in one line."""

from pathlib import Path
from typing import Any

import msgspec

from clip_conformance import arrays
from clip_conformance.plain import one_line


def file_of(path: Path, name: str) -> Path:
    """Return the file that a user means by a path: itself, or in a folder the one of that name.

    Raises:
        Unreadable: in a folder, it is a link that leads out of it.
    """
    if not path.is_dir():
        return path
    arrays.within(name, path)
    return path / name


def content(path: Path, most: int) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        Unreadable: there is none, or it has more than `most` bytes.
    """
    with arrays.opened(path) as (file, size):
        if size > most:
            much = f"{_shown(size)}, more than the {_shown(most)} that are read"
            raise arrays.Unreadable(f"{one_line(str(path))} has {much}")
        return file.read(size)


def _shown(size: int) -> str:
    return f"{size / (1 << 20):.3g} MiB" if size >= 1 << 20 else f"{size / (1 << 10):.3g} KiB"


def decode(document: bytes | msgspec.Raw, kind: Any) -> Any:
    """Return what a JSON document holds: a value of the type `kind`.

    Raises:
        Unreadable: it is no JSON, or something else than `kind`; does not name the file.
    """
    try:
        return msgspec.json.decode(document, type=kind)
    except msgspec.ValidationError as error:
        raise arrays.Unreadable(one_line(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise arrays.Unreadable(f"no JSON: {one_line(str(error))}") from None
