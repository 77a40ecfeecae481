"""Images on their way to a candidate: written by the runner, opened by the worker."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_conformance import arrays, protocol

_RAW = {"I;16B": ">u2"}


def as_input(
    path: Path,
    samples: NDArray[Any],
    mode: str = "",
    palette: NDArray[np.uint8] | None = None,
    transparency: Any = None,
) -> protocol.Input:
    """Write samples (CNF-1) to `path` and return what names them in a message; no mode means a float tensor."""
    return protocol.Input(
        kind="array",
        path=str(path),
        offset=arrays.write(path, samples),
        dtype=samples.dtype.name,
        shape=list(samples.shape),
        mode=mode,
        palette=palette.reshape(-1).tolist() if palette is not None else None,
        transparency=list(transparency) if isinstance(transparency, tuple) else transparency,
    )


def samples_of(given: protocol.Input) -> NDArray[Any]:
    """Return the samples that the runner wrote for a message."""
    raw = np.fromfile(given.path, np.dtype(given.dtype).newbyteorder("<"), offset=given.offset)
    return raw.astype(given.dtype, copy=False).reshape(given.shape)


def open_image(given: protocol.Input) -> Image.Image:
    """Return the Pillow image that a message names."""
    if given.kind == "file":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(given.path)
    if 0 in given.shape:
        return Image.new(given.mode, given.size)
    return _from_samples(samples_of(given), given)


def _from_samples(samples: NDArray[Any], given: protocol.Input) -> Image.Image:
    """Return samples (CNF-1) as a Pillow image of the message's mode."""
    if given.mode == "1":
        return Image.fromarray(samples).point(lambda v: v, "1")
    raw = samples.astype(_RAW.get(given.mode, samples.dtype), copy=False)
    image = Image.frombytes(given.mode, given.size, raw)
    if given.palette is not None:
        image.putpalette(bytes(given.palette))
    if given.transparency is not None:
        entry = given.transparency
        image.info["transparency"] = entry if isinstance(entry, int) else bytes(entry)
    return image
