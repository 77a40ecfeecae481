"""Images on their way to a candidate: written by the runner, opened by the worker."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_conformance import protocol

_RAW = {"I;16B": ">u2"}


def save_samples(path: Path, samples: NDArray[Any]) -> None:
    """Write samples as .npy, C order, little-endian."""
    little = np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder("<"))
    np.save(path, little, allow_pickle=False)


def as_message(
    path: Path,
    samples: NDArray[Any],
    mode: str,
    palette: NDArray[np.uint8] | None = None,
    transparency: Any = None,
) -> protocol.Image:
    """Write samples (CNF-1) to `path` and return the message that names them; an empty mode means a float tensor."""
    save_samples(path, samples)
    return protocol.Image(
        kind="samples",
        path=str(path),
        mode=mode,
        size=(samples.shape[1], samples.shape[0]) if mode else (0, 0),
        palette=palette.reshape(-1).tolist() if palette is not None else None,
        transparency=transparency,
    )


def open_image(message: protocol.Image) -> Image.Image:
    """Return the Pillow image that a message names."""
    if message.kind == "file":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(message.path)
    if 0 in message.size:
        return Image.new(message.mode, message.size)
    return from_samples(np.load(message.path, allow_pickle=False), message)


def from_samples(samples: NDArray[Any], message: protocol.Image) -> Image.Image:
    """Return samples (CNF-1) as a Pillow image of the message's mode."""
    if message.mode == "1":
        return Image.fromarray(samples).point(lambda v: v, "1")
    raw = samples.astype(_RAW.get(message.mode, samples.dtype))
    image = Image.frombytes(message.mode, message.size, raw.tobytes())
    if message.palette is not None:
        image.putpalette(bytes(message.palette))
    if message.transparency is not None:
        entry = message.transparency
        image.info["transparency"] = entry if isinstance(entry, int) else bytes(entry)
    return image
