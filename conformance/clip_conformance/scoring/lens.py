"""The lens: what a black box's float end does to a sample, recovered from fixtures that need no other stage.

Through it the 8-bit image behind a final tensor can be seen, so that a fault in the float end does not hide one
before it.
"""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_reference.tensor import table
from clip_spec import StageId

_CANON = clip_spec.canon()
Floats = NDArray[np.float64]
# So many samples may be alike at an end that is not clipped: bfloat16 rounds two to one.
_ALIKE = 2
# "interleaved" is hwc that claims to be chw, as bare samples do.
LAYOUTS = ("chw", "cwh", "interleaved", "hwc")
TURNS = {
    "no": (slice(None), slice(None)),
    "mirrored": (slice(None), slice(None, None, -1)),
    "flipped": (slice(None, None, -1), slice(None)),
    "rotated": (slice(None, None, -1), slice(None, None, -1)),
}


@dataclass(frozen=True)
class Lens:
    """Output channel c is `slope[c] * u[order[c]] + offset[c]` of the 8-bit samples u, clipped to `clip` if given.

    `layout` and `turn` say how rows, columns and channels lie. `faults` are the stages whose part of that is not the
    canon's. `spatial` says that an image which needs no resize and no crop was disturbed all the same, `bent` that it
    became a function of its samples that is no straight line. `clip` is infinite on a side on which nothing is.
    """

    order: tuple[int, int, int]
    slope: Floats
    offset: Floats
    faults: tuple[StageId, ...] = ()
    spatial: bool = False
    layout: str = "chw"
    turn: str = "no"
    clip: tuple[float, float] | None = None
    bent: bool = False

    def image(self, tensor: NDArray[Any]) -> Floats:
        """Return the 8-bit image behind a final tensor, float64 [rows, columns, 3]; whole where it was quantised."""
        planes = laid_out(tensor, self.layout, self.turn).astype(np.float64)
        samples = (planes - self.offset[:, None, None]) / self.slope[:, None, None]
        image = np.empty((*samples.shape[1:], 3))
        for channel, band in enumerate(self.order):
            image[..., band] = samples[channel]
        whole = np.rint(image)
        # float16 is off by 0.1; what was never quantised is mostly further away.
        return np.where(np.abs(image - whole) < 0.2, whole, image)


def laid_out(tensor: NDArray[Any], layout: str, turn: str = "no") -> NDArray[Any]:
    """Return a tensor of a layout as [channel, row, column], turned back."""
    if layout == "hwc":
        tensor = tensor.transpose(2, 0, 1)
    elif layout == "interleaved":
        tensor = tensor.reshape(*tensor.shape[1:], 3).transpose(2, 0, 1)
    elif layout == "cwh":
        tensor = tensor.transpose(0, 2, 1)
    return tensor[(slice(None), *TURNS[turn])]


def arranged(planes: NDArray[Any], layout: str, turn: str = "no") -> NDArray[Any]:
    """Return [channel, row, column] in a layout: what `laid_out` undoes."""
    planes = planes[(slice(None), *TURNS[turn])]
    if layout == "cwh":
        planes = planes.transpose(0, 2, 1)
    elif layout in ("hwc", "interleaved"):
        rows = np.ascontiguousarray(planes.transpose(1, 2, 0))
        planes = rows if layout == "hwc" else rows.reshape(planes.shape)
    return np.ascontiguousarray(planes)


def canonical() -> Lens:
    """Return the canon's own lens."""
    slope = 1.0 / (_CANON.max_value * np.array(_CANON.std))
    return Lens((0, 1, 2), slope, -np.array(_CANON.mean) / np.array(_CANON.std))


def recover(
    noise: NDArray[np.uint8],
    tensor: NDArray[Any],
    flats: dict[int, NDArray[Any]],
    smooth: tuple[NDArray[np.uint8], NDArray[Any]] | None = None,
) -> Lens | None:
    """Return the lens of a candidate, or None where its outputs fit no affine float end.

    Args:
        noise: independent noise per channel, uint8 [n_px, n_px, 3], that the canon neither resizes nor crops.
        tensor: the candidate's output for it.
        flats: the candidate's outputs for grey images, by their value.
        smooth: an image that is different under every turn and channel order, uint8 [n_px, n_px, 3], and the
            candidate's output for it; tells layout and order where the noise was disturbed.
    """
    layouts = _layouts(tensor.shape, noise.shape[0])
    if not np.isfinite(tensor).all():
        return None
    if layouts:
        bands = [_Sorted(noise[..., band]) for band in range(3)]
        for layout, turn in itertools.product(layouts, TURNS):
            found = _pointwise(bands, laid_out(tensor, layout, turn))
            if found is None:
                continue
            order, lines, clip = found
            if lines is None:
                flat = _from_flats(flats, smooth)
                return None if flat is None else replace(flat, spatial=False, bent=True)
            faults = _faults(order, *lines, layout, turn, clip)
            return Lens(order, *lines, faults, False, layout, turn, clip)
    return _from_flats(flats, smooth)


def _layouts(shape: tuple[int, ...], n_px: int) -> tuple[str, ...]:
    if shape == (3, n_px, n_px):
        return LAYOUTS[:3]
    return LAYOUTS[3:] if shape == (n_px, n_px, 3) else ()


class _Sorted:
    """A band of samples in the order of their values."""

    def __init__(self, samples: NDArray[np.uint8]) -> None:
        self.order = np.argsort(samples, axis=None, kind="stable")
        values = samples.ravel()[self.order]
        self.starts = np.flatnonzero(np.diff(values.astype(np.int64), prepend=-1))
        self.values = values[self.starts].astype(np.float64)

    def function(self, plane: NDArray[Any]) -> Floats | None:
        """Return a plane as a function of the samples, one value a sample value, or None where it is none."""
        y = plane.ravel()[self.order].astype(np.float64)
        high, low = np.maximum.reduceat(y, self.starts), np.minimum.reduceat(y, self.starts)
        slope = np.ptp(y) / 255
        return (high + low) / 2 if slope > 1e-12 and (high - low).max() <= 0.05 * slope else None


def _pointwise(
    bands: list[_Sorted], planes: NDArray[Any]
) -> tuple[tuple[int, int, int], tuple[Floats, Floats] | None, tuple[float, float] | None] | None:
    """Return order, slope with offset, and clip of planes each of which is a function of one band.

    None stands for functions that are no straight lines, and for what is no function.
    """
    order, lines, clips = [], [], []
    for plane in planes:
        for band, known in enumerate(bands):
            values = known.function(plane)
            if values is not None:
                order.append(band)
                line, clip = _line(known.values, values)
                lines.append(line)
                clips.append(clip)
                break
        else:
            return None
    if sorted(order) != [0, 1, 2]:
        return None
    if any(line is None for line in lines):
        return (order[0], order[1], order[2]), None, None
    slope, offset = (np.array([line[i] for line in lines if line is not None]) for i in (0, 1))
    ends = [clip for clip in clips if clip is not None]
    # A channel may not reach an end that others are cut off at.
    clip = (max(low for low, _ in ends), min(high for _, high in ends)) if ends else None
    return (order[0], order[1], order[2]), (slope, offset), clip


def _line(u: Floats, y: Floats) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return slope and offset of y, and the ends where it is clipped; None for what is no straight line."""
    at_low, at_high = y == y.min(), y == y.max()
    low = float(y.min()) if np.count_nonzero(at_low) > _ALIKE else -np.inf
    high = float(y.max()) if np.count_nonzero(at_high) > _ALIKE else np.inf
    clip = (low, high) if np.isfinite([low, high]).any() else None
    inner = ~(at_low | at_high) if clip else np.ones(len(y), dtype=bool)
    if np.count_nonzero(inner) < 8:
        return None, None
    slope, offset = np.polyfit(u[inner], y[inner], 1)
    # bfloat16 keeps eight bits.
    halves = y.astype(np.float32).view(np.uint32) & 0xFFFF
    rounding = np.abs(y[inner]) * 2.0**-8 if not halves.any() else 0.0
    straight = (np.abs(slope * u[inner] + offset - y[inner]) <= 0.2 * abs(slope) + rounding).all()
    return ((float(slope), float(offset)), clip) if straight and abs(slope) > 1e-12 else (None, None)


def _from_flats(flats: dict[int, NDArray[Any]], smooth: tuple[NDArray[np.uint8], NDArray[Any]] | None) -> Lens | None:
    """Return a lens from flat images: the noise was disturbed, so the fault is spatial."""
    low, high = min(flats, default=0), max(flats, default=0)
    if low == high:
        return None
    if any(flats[value].ndim != 3 or 3 not in flats[value].shape[::2] for value in (low, high)):
        return None
    channels = [
        flats[value] if flats[value].shape[0] == 3 else flats[value].transpose(2, 0, 1) for value in (low, high)
    ]
    # The middle, for a border may have been added.
    ends = [planes[:, planes.shape[1] // 4 : -(planes.shape[1] // 4), planes.shape[2] // 4 : -(planes.shape[2] // 4)]
            for planes in channels]  # fmt: skip
    ends = [end.reshape(3, -1).astype(np.float64) for end in ends]
    if any(end.size == 0 or np.ptp(end, axis=1).max() > 1e-4 * max(1.0, np.abs(end).max()) for end in ends):
        return None
    slope = (ends[1][:, 0] - ends[0][:, 0]) / (high - low)
    if not (np.abs(slope) > 1e-12).all():
        return None
    offset = ends[0][:, 0] - slope * low
    plain = Lens((0, 1, 2), slope, offset, spatial=True)
    best = plain if smooth is None else _nearest(plain, *smooth)
    faults = _faults(best.order, slope, offset, best.layout, best.turn, None)
    return Lens(best.order, slope, offset, faults, True, best.layout, best.turn)


def _nearest(plain: Lens, image: NDArray[np.uint8], tensor: NDArray[Any]) -> Lens:
    """Return the lens whose layout, turn and order bring a smooth image nearest to what it was."""
    layouts = _layouts(tensor.shape, image.shape[0])
    best, least = plain, np.inf
    for layout, turn, order in itertools.product(layouts, TURNS, itertools.permutations(range(3))):
        lens = Lens(order, plain.slope, plain.offset, (), True, layout, turn)
        part = np.abs(lens.image(tensor)[::8, ::8] - image[::8, ::8]).mean()
        # Another arrangement has to be much nearer than the canon's, which comes first.
        if part < 0.7 * least:
            best, least = lens, part
    return best


def _faults(
    order: tuple[int, ...],
    slope: Floats,
    offset: Floats,
    layout: str,
    turn: str,
    clip: tuple[float, float] | None,
) -> tuple[StageId, ...]:
    """Return the stages whose share of the float end is not the canon's."""
    canon = canonical()
    found: list[StageId] = []
    if order != (0, 1, 2):
        found.append("convert_rgb")
    if layout != "chw" or turn != "no":
        found.append("to_tensor")
    ratio = slope / canon.slope
    right = np.abs(slope * 255 + offset - table()[:, 255]).max() < 1e-4 and np.abs(offset - table()[:, 0]).max() < 1e-4
    if clip is not None:
        found.append("normalize")
    elif not right:
        # The right offsets and one common factor: the constants are right, the division by 255 is not.
        common = np.ptp(ratio) < 1e-4 * abs(ratio[0]) and np.abs(offset - canon.offset).max() < 1e-4
        found.append("to_tensor" if common else "normalize")
    return tuple(dict.fromkeys(found))
