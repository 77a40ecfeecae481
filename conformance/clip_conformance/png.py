"""PNG files, written so that the same samples always give the same bytes, whatever zlib is installed."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bit depth and colour type by mode.
_KINDS = {"1": (1, 0), "L": (8, 0), "I;16": (16, 0), "RGB": (8, 2), "P": (8, 3), "LA": (8, 4), "RGBA": (8, 6)}
# The most that a stored block of deflate holds.
_BLOCK = 0xFFFF


def carries(mode: str) -> bool:
    """Return whether PNG can carry a mode (DEC-4)."""
    return mode in _KINDS


def write(
    path: Path,
    samples: NDArray[Any],
    mode: str,
    palette: NDArray[np.uint8] | None = None,
    transparency: int | list[int] | None = None,
) -> None:
    """Write samples (CNF-1) of a mode that PNG carries, uncompressed.

    Args:
        path: the file.
        samples: [H, W] or [H, W, bands], neither side 0.
        mode: one for which `carries` holds.
        palette: uint8 [256, 3] for mode P.
        transparency: what the tRNS chunk holds, for mode P: an index that is transparent, or alphas.
    """
    depth, colour = _KINDS[mode]
    height, width = samples.shape[:2]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))]
    if palette is not None:
        chunks.append((b"PLTE", palette.tobytes()))
    if transparency is not None:
        alphas = [255] * transparency + [0] if isinstance(transparency, int) else list(transparency)
        chunks.append((b"tRNS", bytes(alphas)))
    chunks += [(b"IDAT", _stored(_rows(samples, mode))), (b"IEND", b"")]
    path.write_bytes(_SIGNATURE + b"".join(_chunk(name, content) for name, content in chunks))


def _rows(samples: NDArray[Any], mode: str) -> bytes:
    """Return the rows as PNG stores them, each after its filter type, which is none."""
    height = samples.shape[0]
    if mode == "1":
        lines = np.packbits(samples != 0, axis=1)
    elif mode == "I;16":
        lines = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    else:
        lines = samples.reshape(height, -1)
    return np.concatenate([np.zeros((height, 1), np.uint8), lines], axis=1).tobytes()


def _stored(content: bytes) -> bytes:
    """Return a zlib stream of stored blocks."""
    out = [b"\x78\x01"]
    for start in range(0, len(content), _BLOCK):
        block = content[start : start + _BLOCK]
        last = start + _BLOCK >= len(content)
        out.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    out.append(struct.pack(">I", zlib.adler32(content)))
    return b"".join(out)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
