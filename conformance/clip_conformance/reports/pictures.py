"""Pictures of cases that fail: chosen while the tensors are there, the worst of each kind first, within a budget."""

import base64
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_conformance import arrays
from clip_conformance.cases import reference_input
from clip_conformance.check_ids import what_of, worst_check
from clip_conformance.records import Case, Picture
from clip_conformance.scoring.lens import canonical
from clip_conformance.scoring.levels import LEVELS, reaches
from clip_fixtures import fixtures
from clip_fixtures.thumbnails import reduced
from clip_reference import Stages
from clip_reference.source import open_source
from clip_spec import LevelId

# Characters of all pictures, and pictures, of one report.
_BUDGET, _MOST = 6 << 20, 64
# So many that are too large for what is left end it.
_MISSES = 3
_SIDE, _GIVEN = 256, 160
# LSB: the step in which errors are kept where they are small.
_UNIT = 1 / 64
# Levels of deflate for errors and for images: higher ones take up to many times as long, for a few percent at most.
_DEFLATE, _DEFLATE_PNG = 5, 3


@dataclass
class Album:
    """The pictures of a run, one n_px after the other."""

    budget: int = _BUDGET
    pictures: list[Picture] = field(default_factory=list)

    def add(self, cases: list[Case], finals: dict[str, Path], n_px: int, required: LevelId, *, share: float) -> None:
        """Take pictures of cases that fail, within a share of what is left of the budget."""
        left, most = int(self.budget * share), max(int((_MOST - len(self.pictures)) * share), 1)
        failing = [case for case in cases if case.id in finals and not reaches(case.level, required)]
        misses = 0
        for case in _in_turn(failing):
            if most == 0 or misses == _MISSES:
                break
            picture = _picture(case, arrays.load(finals[case.id], arrays.LARGEST), n_px)
            weight = len(picture.given) + len(picture.expected) + len(picture.error) + len(picture.got)
            if weight <= left:
                self.pictures.append(picture)
                left, most = left - weight, most - 1
                self.budget -= weight
            else:
                misses += 1


def badness(case: Case) -> tuple[int, float]:
    """Return how bad a case is: its level, then its largest mean error in LSB (none: another shape, no output)."""
    means = [check.mean for check in case.checks if check.level != "exact"]
    shaped = case.status == "ok" and all(mean is not None for mean in means)
    return LEVELS.index(case.level), max((mean or 0.0 for mean in means), default=0.0) if shaped else np.inf


def _in_turn(cases: list[Case]) -> Iterator[Case]:
    """Yield cases, one of each kind in turn: its worst photograph, which shows more than noise, then its worst."""
    kinds: dict[tuple[str, str, str], list[Case]] = {}
    for case in sorted(cases, key=badness, reverse=True):
        check = worst_check(case)
        kinds.setdefault((case.scope, case.mode, "" if check is None else what_of(check)), []).append(case)
    for members in kinds.values():
        photograph = next((case for case in members if case.fixture.startswith("photo-")), members[0])
        members.insert(0, members.pop(members.index(photograph)))
    while kinds:
        for kind in list(kinds):
            yield kinds[kind].pop(0)
            if not kinds[kind]:
                del kinds[kind]


def _picture(case: Case, tensor: NDArray[np.generic], n_px: int) -> Picture:
    source = open_source(reference_input(fixtures()[case.fixture], n_px))
    canon = Stages(reference_input(fixtures()[case.fixture], n_px), n_px)
    expected = canon.convert_rgb
    window, error, got, unit = (0, 0, min(n_px, _SIDE), min(n_px, _SIDE)), "", "", _UNIT
    if tensor.shape == canon.normalize.shape and np.isfinite(tensor).all():
        slope = canonical().slope[:, None, None]
        difference = ((tensor.astype(np.float64) - canon.normalize) / slope).transpose(1, 2, 0)
        window = _window(difference)
        left, top, right, bottom = window
        difference = difference[top:bottom, left:right]
        unit = max(_UNIT, float(np.abs(difference).max()) / 32767)
        steps = np.rint(difference / unit).astype("<i2")
        error = base64.b64encode(zlib.compress(steps.tobytes(), _DEFLATE)).decode()
    else:
        got = _shown(tensor)
    left, top, right, bottom = window
    return Picture(
        case=case.id,
        size=(source.width, source.height),
        given=_png(reduced(source, _GIVEN)),
        window=window,
        expected=_png(expected[top:bottom, left:right]),
        shape=list(tensor.shape),
        unit=unit,
        error=error,
        got=got,
    )


def _window(error: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """Return the part of at most 256 pixels a side with the most error, on a grid of 32."""
    side = error.shape[0]
    if side <= _SIDE:
        return 0, 0, side, side
    places = [*range(0, side - _SIDE, 32), side - _SIDE]
    sums = np.pad(np.abs(error).sum(axis=2).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))

    def inside(top: int, left: int) -> float:
        bottom, right = top + _SIDE, left + _SIDE
        return float(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])

    top, left = max(((top, left) for top in places for left in places), key=lambda place: inside(*place))
    return left, top, left + _SIDE, top + _SIDE


def _shown(tensor: NDArray[np.generic]) -> str:
    """Return a tensor of another shape as the image that it may be, "" where it is none."""
    if tensor.ndim != 3 or 3 not in (tensor.shape[0], tensor.shape[2]) or 0 in tensor.shape:
        return ""
    planes = tensor if tensor.shape[0] == 3 else tensor.transpose(2, 0, 1)
    lens = canonical()
    with np.errstate(all="ignore"):
        samples = (planes.astype(np.float64) - lens.offset[:, None, None]) / lens.slope[:, None, None]
        image = np.nan_to_num(np.clip(np.rint(samples), 0, 255)).astype(np.uint8).transpose(1, 2, 0)
    return _png(reduced(open_source(np.ascontiguousarray(image)), _SIDE))


def _png(image: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "PNG", compress_level=_DEFLATE_PNG)
    return base64.b64encode(file.getvalue()).decode()
