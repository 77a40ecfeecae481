"""Arrays between processes: the .npy files that the runner writes, and the outputs that it reads but does not trust."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from math import prod
from pathlib import Path
from struct import calcsize, unpack
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from clip_conformance.plain import one_line

MAGIC = b"\x93NUMPY"
# Bytes of an array of a shape that is not the canon's.
LARGEST = 64 << 20
# How the length of a header is written, by the version of the format.
_LENGTHS = {(1, 0): "<H", (2, 0): "<I"}
# Bytes of a header, and axes; what numpy writes for an image has 118 and 4 at most.
_HEADER, _AXES = 4096, 8
# A header is an expression of Python. It is read here and not evaluated, as numpy does it: what an expression costs has
# no bound, and Python 3.11 cannot build two syntax trees at once, in two threads (python/cpython#106905).
_BRACES = re.compile(r" *\{(.*)\} *\n?")
_ENTRY = re.compile(r""" *(['"])(\w+)\1 *: *('[^'\\]*'|"[^"\\]*"|True|False|\([\d, ]*\)) *(?:,|$)""")
_DTYPE = re.compile(r"""(['"])([<>|=]?[A-Za-z?]\d{0,4})\1""")
_SHAPE = re.compile(r"\( *(?:\d+ *,(?: *\d+ *,)* *(?:\d+ *)?)?\)")
_HINTS = {
    ("float32", 0.25): "one byte a sample: uint8 where float32 is wanted",
    ("float32", 0.5): "two bytes a sample: float16 where float32 is wanted",
    ("float32", 2.0): "eight bytes a sample: float64 where float32 is wanted",
}


class Unreadable(Exception):  # noqa: N818 - says what it is
    """A file that holds no array; the text says in one line what it holds."""


def write(path: Path, samples: NDArray[Any]) -> int:
    """Write samples as .npy, C order, little-endian; return the byte at which they begin."""
    little = np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder("<"))
    with path.open("wb") as file:
        header = {"descr": npy.dtype_to_descr(little.dtype), "fortran_order": False, "shape": little.shape}
        npy.write_array_header_1_0(file, header)
        offset = file.tell()
        file.write(little.data if little.size else b"")
    return offset


def read(path: Path, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return the array of a file: .npy of any shape and numeric type, or the bare samples of the wanted ones.

    Nothing is unpickled.

    Raises:
        Unreadable: the file holds no such array, or one of another shape that is larger than any stage.
    """
    with opened(path) as (file, size):
        if file.read(len(MAGIC)) == MAGIC:
            found, order, samples = _header(file, size)
            if found != shape and prod(found) * samples.itemsize > LARGEST:
                raise Unreadable(f"shape {list(found)}, expected {list(shape)}")
            return _samples(file, found, order, samples)
        file.seek(0)
        return bare(file.read(size) if size == prod(shape) * np.dtype(dtype).itemsize else size, shape, dtype)


def load(path: Path, most: int) -> NDArray[Any]:
    """Return the array of a .npy file of any shape and numeric type; nothing is unpickled.

    Args:
        path: the file.
        most: bytes of samples.

    Raises:
        Unreadable: the file holds no array, or a larger one.
    """
    with opened(path) as (file, size):
        if file.read(len(MAGIC)) != MAGIC:
            raise Unreadable(f"{path} is no .npy file")
        found, order, samples = _header(file, size)
        if prod(found) * samples.itemsize > most:
            raise Unreadable(f"{path} has the shape {list(found)}, which is more than is read")
        return _samples(file, found, order, samples)


def layout(path: Path) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any]] | None:
    """Return shape, order and type of a .npy file, None where the file is none.

    Raises:
        Unreadable: it cannot be opened.
    """
    with opened(path) as (file, size):
        try:
            return _header(file, size) if file.read(len(MAGIC)) == MAGIC else None
        except Unreadable:
            return None


@contextmanager
def opened(path: Path) -> Iterator[tuple[BufferedReader, int]]:
    """Open a regular file for reading, and nothing else; gives its size as well.

    Raises:
        Unreadable: it is not there, or a folder, a pipe, a device.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Unreadable(f"{one_line(str(path))} cannot be read: {why}") from None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise Unreadable(f"{one_line(str(path))} is no regular file")
    with os.fdopen(handle, "rb") as file:
        yield file, found.st_size


def _header(file: BufferedReader, size: int) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any]]:
    """Return shape, order and type of a .npy file, of which the samples alone are left to read."""
    version = (*file.read(2),)
    if version not in _LENGTHS:
        raise Unreadable(f"a .npy file of version {'.'.join(map(str, version))}; write 1.0")
    prefix = file.read(calcsize(_LENGTHS[version]))
    length = unpack(_LENGTHS[version], prefix)[0] if len(prefix) == calcsize(_LENGTHS[version]) else _HEADER + 1
    text = file.read(min(length, _HEADER))
    if len(text) != length:
        raise Unreadable(f"no readable .npy header: it is cut off, or longer than {_HEADER} bytes")
    found, fortran, dtype = _described(text.decode("latin-1"))
    if dtype.hasobject:
        raise Unreadable("an array of Python objects, which is never loaded")
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise Unreadable(f"an array of {one_line(str(dtype))}, which is no image")
    if len(found) > _AXES or any(not 0 <= side < 1 << 60 for side in found):
        raise Unreadable(f"an array of {len(found)} axes, or of impossible sides, which is no image")
    offset = len(MAGIC) + len(version) + len(prefix) + length
    promised = prod(found) * dtype.itemsize
    if promised != size - offset:
        raise Unreadable(f"{size - offset} bytes of samples, where its header promises {promised}")
    return found, "F" if fortran else "C", dtype


def _described(text: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether the order is Fortran's, and type from the text of a .npy header."""
    inside = _BRACES.fullmatch(text)
    entries: dict[str, str] = {}
    rest = inside[1].rstrip(" ") if inside else "?"
    while rest:
        entry = _ENTRY.match(rest)
        if entry is None or entry[2] in entries:
            raise Unreadable("no readable .npy header: something else than texts, whole numbers, True and False")
        entries[entry[2]], rest = entry[3], rest[entry.end() :]
    if entries.keys() != {"descr", "fortran_order", "shape"}:
        raise Unreadable("no readable .npy header: its keys are not descr, fortran_order and shape")
    descr, shape = _DTYPE.fullmatch(entries["descr"]), _SHAPE.fullmatch(entries["shape"])
    if shape is None or entries["fortran_order"] not in ("True", "False"):
        raise Unreadable("no readable .npy header: shape is no tuple of whole numbers, or fortran_order no bool")
    try:
        dtype = np.dtype(descr[2]) if descr else None
    except TypeError:
        dtype = None
    if dtype is None:
        raise Unreadable(f"no readable .npy header: {one_line(entries['descr'])} is no type of numbers")
    return tuple(int(side) for side in re.findall(r"\d+", entries["shape"])), entries["fortran_order"] == "True", dtype


def _samples(
    file: BufferedReader, shape: tuple[int, ...], order: Literal["C", "F"], dtype: np.dtype[Any]
) -> NDArray[Any]:
    promised = prod(shape) * dtype.itemsize
    content = file.read(promised)
    if len(content) != promised:
        raise Unreadable("the file was cut off while it was read")
    try:
        return np.frombuffer(content, dtype).reshape(shape, order=order)
    except ValueError as error:  # no side is 0, or numpy would take any other
        raise Unreadable(f"an array of the shape {list(shape)}: {error}") from None


def bare(content: bytes | int, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return bare little-endian samples as an array of the wanted shape and type.

    Args:
        content: the samples, or how many bytes there are where that is not as many as wanted.
        shape: the canon's shape.
        dtype: the canon's dtype, native.

    Raises:
        Unreadable: too many or too few bytes; the text says what they may be instead.
    """
    wanted = prod(shape) * np.dtype(dtype).itemsize
    there = content if isinstance(content, int) else len(content)
    if isinstance(content, int) or there != wanted:
        hint = _HINTS.get((dtype, there / wanted if wanted else 0.0), "")
        raise Unreadable(
            f"{there} bytes, expected {wanted} ({dtype} {list(shape)}) or a .npy file" + (f"; {hint}" if hint else "")
        )
    try:
        return np.frombuffer(content, np.dtype(dtype).newbyteorder("<")).reshape(shape).astype(dtype, copy=False)
    except ValueError as error:  # no side is 0, or numpy would take any other
        raise Unreadable(f"an array of the shape {list(shape)}: {error}") from None


def within(path: str, folder: Path) -> Path:
    """Return a path that a candidate named, relative to `folder` or absolute, as long as it lies in the folder.

    Raises:
        Unreadable: it leads out of the folder, by name or by a link.
    """
    if "\0" in path:
        raise Unreadable(f"{one_line(path)!r} is no path")
    real, root = os.path.realpath(folder / path), os.path.realpath(folder)
    if not real.startswith(root + os.sep):
        raise Unreadable(f"{one_line(path)} is outside of {folder}")
    return Path(real)
