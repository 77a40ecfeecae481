"""The float end of a variant: channel order, division, mean and std, layout, precision."""

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis.variant import Variant
from clip_conformance.scoring.lens import arranged

Floats = NDArray[np.float64]


def line(variant: Variant) -> tuple[Floats, Floats]:
    """Return the slope and the offset of every output channel: what a variant does to a sample before it clips."""
    mean, std = constants(variant)
    slope, offset = np.full(3, 1 / variant.scale), np.full(3, variant.offset)
    for _ in range(variant.times):
        if variant.steps == "mean, std":
            slope, offset = slope / std, (offset - mean) / std
        elif variant.steps == "std, mean":
            slope, offset = slope / std, offset / std - mean
        elif variant.steps == "mean":
            offset = offset - mean
        elif variant.steps == "std":
            slope, offset = slope / std, offset / std
    return slope, offset


def constants(variant: Variant) -> tuple[Floats, Floats]:
    """Return mean and std by output channel."""
    mean, std = np.array(variant.mean), np.array(variant.std)
    if variant.constants == "channel 0":
        return np.full(3, mean[0]), np.full(3, std[0])
    if variant.constants == "std of channel 0":
        return mean, np.full(3, std[0])
    if variant.constants == "bgr":
        return mean[::-1], std[::-1]
    return (std, mean) if variant.constants == "swapped" else (mean, std)


def tensor(variant: Variant, image: Floats) -> NDArray[np.float32]:
    """Return the final tensor of an image, float32 in the variant's layout."""
    stored: NDArray[np.float32] = arranged(planes(variant, image), variant.layout, variant.turn)
    return stored


def shape_of(variant: Variant, rows: int, columns: int) -> tuple[int, ...]:
    """Return the shape of the final tensor of an image of rows and columns."""
    return {"cwh": (3, columns, rows), "hwc": (rows, columns, 3)}.get(variant.layout, (3, rows, columns))


def planes(variant: Variant, image: Floats) -> NDArray[np.float32]:
    """Return the final tensor of an image, float32, as [channel, row, column] and not yet in the variant's layout."""
    slope, offset = line(variant)
    values = image.transpose(2, 0, 1)[["rgb".index(c) for c in variant.channels]].astype(np.float64, copy=False)
    values *= slope[:, None, None]
    values += offset[:, None, None]
    if variant.clip != "no":
        low, high = map(float, variant.clip.split(" to "))
        values = np.clip(values, low, high)
    return _stored(variant.precision, values)


def _stored(precision: str, values: Floats) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        if precision == "float16":
            return values.astype(np.float16).astype(np.float32)
        single = values.astype(np.float32)
    if precision == "bfloat16":
        bits = single.view(np.uint32)
        rounded = bits + 0x7FFF + ((bits >> 16) & 1)
        return (rounded & np.uint32(0xFFFF0000)).view(np.float32)
    return single
