"""The lens: what a black box's float end does to a sample, recovered from fixtures that need no other stage.

Through it the 8-bit image behind a final tensor can be seen, so that a fault in the float end does not hide one
before it.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_reference.tensor import table
from clip_spec import StageId

_CANON = clip_spec.canon()


@dataclass(frozen=True)
class Lens:
    """Output channel c is `slope[c] * u[order[c]] + offset[c]` of the 8-bit samples u.

    `faults` are the stages whose part of that is not the canon's.
    `spatial` says that an image which needs no resize and no crop was disturbed all the same.
    """

    order: tuple[int, int, int]
    slope: NDArray[np.float64]
    offset: NDArray[np.float64]
    faults: tuple[StageId, ...] = ()
    spatial: bool = False
    layout: str = "chw"

    def image(self, tensor: NDArray[Any]) -> NDArray[np.float64]:
        """Return the 8-bit image behind a final tensor, float64 [n_px, n_px, 3]; whole where it was quantised."""
        planes = laid_out(tensor, self.layout).astype(np.float64)
        samples = (planes - self.offset[:, None, None]) / self.slope[:, None, None]
        image = np.empty((*samples.shape[1:], 3))
        for channel, band in enumerate(self.order):
            image[..., band] = samples[channel]
        whole = np.rint(image)
        # float16 is off by 0.1; what was never quantised is mostly further away.
        return np.where(np.abs(image - whole) < 0.2, whole, image)


def laid_out(tensor: NDArray[Any], layout: str) -> NDArray[Any]:
    """Return a tensor as [channel, row, column] from one of the layouts that are met: chw, hwc, cwh, interleaved.

    "interleaved" is hwc that claims to be chw, as bare samples do.
    """
    if layout == "hwc":
        return tensor.transpose(2, 0, 1)
    if layout == "interleaved":
        return tensor.reshape(*tensor.shape[1:], 3).transpose(2, 0, 1)
    return tensor.transpose(0, 2, 1) if layout == "cwh" else tensor


def canonical() -> Lens:
    """Return the canon's own lens."""
    slope = 1.0 / (_CANON.max_value * np.array(_CANON.std))
    return Lens((0, 1, 2), slope, -np.array(_CANON.mean) / np.array(_CANON.std))


def recover(noise: NDArray[np.uint8], tensor: NDArray[Any], flats: dict[int, NDArray[Any]]) -> Lens | None:
    """Return the lens of a candidate, or None where its outputs fit no affine float end.

    Args:
        noise: independent noise per channel, uint8 [n_px, n_px, 3], that the canon neither resizes nor crops.
        tensor: the candidate's output for it.
        flats: the candidate's outputs for grey images, by their value.
    """
    n_px = noise.shape[0]
    layouts = {(3, n_px, n_px): ("chw", "cwh", "interleaved"), (n_px, n_px, 3): ("hwc",)}.get(tensor.shape, ())
    for layout in layouts:
        planes = laid_out(tensor, layout)
        if not np.isfinite(planes).all():
            return None
        for order in itertools.permutations(range(3)):
            fits = [_pointwise(noise[..., band], planes[channel]) for channel, band in enumerate(order)]
            if all(fit is not None for fit in fits):
                slope, offset = (np.array([fit[i] for fit in fits if fit is not None]) for i in (0, 1))
                return Lens(order, slope, offset, _faults(order, slope, offset, layout), False, layout)  # type: ignore[arg-type]
    return _from_flats(flats, layouts)


def _pointwise(samples: NDArray[np.uint8], plane: NDArray[Any]) -> tuple[float, float] | None:
    """Return the nearest (slope, offset) where the plane is a function of the samples, else None."""
    order = np.argsort(samples, axis=None, kind="stable")
    u, y = samples.ravel()[order].astype(np.float64), plane.ravel()[order].astype(np.float64)
    starts = np.flatnonzero(np.diff(u, prepend=-1))
    spread = np.maximum.reduceat(y, starts) - np.minimum.reduceat(y, starts)
    slope, offset = np.polyfit(u, y, 1)
    if not (abs(slope) > 1e-12 and spread.max() <= 0.02 * abs(slope)):
        return None
    return float(slope), float(offset)


def _from_flats(flats: dict[int, NDArray[Any]], layouts: tuple[str, ...]) -> Lens | None:
    """Return a lens from flat images alone: the noise was disturbed, so the fault is spatial."""
    low, high = min(flats, default=0), max(flats, default=0)
    if low == high or not layouts:
        return None
    ends = [laid_out(flats[value], layouts[0]).reshape(3, -1).astype(np.float64) for value in (low, high)]
    if any(np.ptp(end, axis=1).max() > 1e-4 for end in ends):
        return None
    slope = (ends[1][:, 0] - ends[0][:, 0]) / (high - low)
    if not (np.abs(slope) > 1e-12).all():
        return None
    offset = ends[0][:, 0] - slope * low
    return Lens((0, 1, 2), slope, offset, _faults((0, 1, 2), slope, offset, layouts[0]), True, layouts[0])


def _faults(
    order: tuple[int, ...], slope: NDArray[np.float64], offset: NDArray[np.float64], layout: str
) -> tuple[StageId, ...]:
    """Return the stages whose share of the float end is not the canon's."""
    canon = canonical()
    found: list[StageId] = []
    if order != (0, 1, 2):
        found.append("convert_rgb")
    ratio = slope / canon.slope
    if layout != "chw":
        found.append("to_tensor")
    right = np.abs(slope * 255 + offset - table()[:, 255]).max() < 1e-4 and np.abs(offset - table()[:, 0]).max() < 1e-4
    if not right:
        # The right offsets and one common factor: the constants are right, the division by 255 is not.
        common = np.ptp(ratio) < 1e-4 * abs(ratio[0]) and np.abs(offset - canon.offset).max() < 1e-4
        found.append("to_tensor" if common else "normalize")
    return tuple(dict.fromkeys(found))
