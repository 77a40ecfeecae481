"""Arrays between processes: the .npy files that the runner writes, and the outputs that it reads but does not trust."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
_LARGEST = 64 << 20
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
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

    Nothing is unpickled. Of an array that has another shape and is larger than any stage, the samples are not read:
    what comes back has that shape and holds zeros.

    Raises:
        Unreadable: the file holds no such array.
    """
    with opened(path) as (file, size):
        if file.read(len(MAGIC)) == MAGIC:
            file.seek(0)
            return _npy(file, size, shape)
        file.seek(0)
        return bare(file.read(size) if size == prod(shape) * np.dtype(dtype).itemsize else size, shape, dtype)


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """Open a regular file for reading, and nothing else; gives its size as well.

    Raises:
        Unreadable: it is not there, or a folder, a pipe, a device.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise Unreadable(f"{path} is no regular file")
    with os.fdopen(handle, "rb") as file:
        yield file, found.st_size


def _npy(file: IO[bytes], size: int, shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        version = npy.read_magic(file)
        if version not in _HEADERS:
            raise Unreadable(f"a .npy file of version {version[0]}.{version[1]}; write 1.0")
        found, fortran, dtype = _HEADERS[version](file)
    except (ValueError, EOFError, MemoryError) as error:
        raise Unreadable(f"no readable .npy header: {' '.join(str(error).split())[:120]}") from None
    if dtype.hasobject:
        raise Unreadable("an array of Python objects, which is never loaded")
    if dtype.kind not in "buif":
        raise Unreadable(f"an array of {dtype}, which is no image")
    promised, there = prod(found) * dtype.itemsize, size - file.tell()
    if promised != there:
        raise Unreadable(f"{there} bytes of samples, where its header promises {promised}")
    if found != shape and promised > _LARGEST:
        return np.broadcast_to(np.zeros((), dtype), found)
    return np.frombuffer(file.read(promised), dtype).reshape(found, order="F" if fortran else "C")


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
    return np.frombuffer(content, np.dtype(dtype).newbyteorder("<")).reshape(shape).astype(dtype, copy=False)


def within(path: str, folder: Path) -> Path:
    """Return a path that a candidate named, relative to `folder` or absolute, as long as it lies in the folder.

    Raises:
        Unreadable: it leads out of the folder, by name or by a link.
    """
    if "\0" in path:
        raise Unreadable(f"{path!r} is no path")
    real, root = os.path.realpath(folder / path), os.path.realpath(folder)
    if not real.startswith(root + os.sep):
        raise Unreadable(f"{path} is outside of {folder}")
    return Path(real)
