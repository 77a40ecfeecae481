"""Blame: the stages where the candidate itself leaves the canon, not those that merely inherit it."""

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import clip_spec
from clip_conformance import arrays
from clip_conformance.cases import active_stages, reference_stages, source_of
from clip_conformance.expected import expected_rgb
from clip_conformance.records import Case
from clip_conformance.scoring import lens as lenses
from clip_conformance.scoring.compare import compare
from clip_conformance.scoring.levels import level_of, reaches
from clip_fixtures import fixtures
from clip_reference import Stages
from clip_spec import LevelId, StageId

_ALPHA = {"LA", "RGBA"}
_NOISE = "pin-noise"
# Distinct values a channel needs before a slope and an offset can be told from it.
_ENOUGH = 64
# Pins whose float end is that of the noise, but where it depends on the image; slopes within so much are the same.
_OTHERS, _SAME = ("pin-gradient", "pin-values"), 0.02
_FLATS = {0: "pin-black", 128: "pin-grey", 255: "pin-white"}
# Pins of one colour that is not grey, and LSB after which it is another one.
_COLOURED, _ANOTHER = ("pin-red", "pin-green", "pin-blue", "pin-mean"), 3.0
# Enough to tell the float end, the crop and the resize of a black box apart.
PROBES = (
    *(_NOISE, *_FLATS.values(), "pin-gradient"),
    *("crop-right-1", "crop-right-3", "crop-down-5", "down-500-noise", "sides-640x480", "sides-135x166"),
)


def in_order(stages: Iterable[StageId]) -> list[StageId]:
    """Return stages in pipeline order, each once."""
    found = set(stages)
    return [stage for stage in clip_spec.stage_ids() if stage in found]


def blame_staged(cases: Iterable[Case], required: LevelId, *, early_rgb: bool) -> list[StageId]:
    """Return the stages of a candidate that exposes them: those that fail on the canon's own input.

    A case whose stages all pass alone and which fails all the same is put on the conversion where the candidate
    converts before it resizes, else on the first stage that is not exact: what it keeps within its bounds adds up.
    """
    found: set[StageId] = set()
    for case in cases:
        failing = [check for check in case.checks if not reaches(check.level, required)]
        alone = {check.stage for check in failing if check.view == "isolated"}
        found |= alone
        if failing and not alone:
            # A file may be RGB and carry transparency beside its pixels.
            beside = case.mode != "RGB" or case.scope == "files"
            inexact = [check for check in case.checks if check.level != "exact"]
            found.add("convert_rgb" if early_rgb and beside else in_order(check.stage for check in inexact)[0])
    return in_order(found)


def blame_black_box(cases: list[Case], finals: dict[str, Path], required: LevelId) -> list[StageId]:
    """Return the stages of a candidate that shows its final tensor alone.

    Args:
        cases: all cases of one n_px.
        finals: where the final tensors lie that are not the canon's, by case id.
        required: the level that a case must reach.
    """
    failing = [
        case
        for case in cases
        if case.checks and case.id in finals and any(not reaches(check.level, required) for check in case.checks)
    ]
    if not failing:
        return []
    return in_order(_BlackBox(failing, {case.fixture for case in cases}, cases[0].n_px, finals, required).stages())


class _BlackBox:
    def __init__(
        self, failing: list[Case], ran: set[str], n_px: int, finals: dict[str, Path], required: LevelId
    ) -> None:
        self._ran = ran
        self._n_px, self._finals, self._required = n_px, finals, required
        self._failing = failing
        self._lens = self._find_lens()
        self._squeezes = False

    def stages(self) -> set[StageId]:
        found: set[StageId] = {
            check.stage
            for case in self._failing
            for check in case.checks
            if check.stage == "decode" and not reaches(check.level, self._required)
        }
        if self._lens is None or self._varies():
            return {*found, "normalize"}
        if self._lens.bent:
            # Whatever happens to the samples of the cropped image.
            return {*found, "convert_rgb"}
        found |= set(self._lens.faults)
        if self._lens.spatial:
            # Whatever comes after inherits a resize that does not leave a finished image alone.
            return {*found, "convert_rgb" if self._mixes() else "resize"}
        if not self._lens.faults and any(case.pins == "normalize" for case in self._failing):
            # The right slope and offset, only less precisely.
            found.add("normalize")
        rest = [case for case in self._failing if self._fails_behind_lens(case)]
        found |= self._from_pins(rest)
        guesses: dict[StageId, set[str]] = {}
        for case in rest:
            active = active_stages(fixtures()[case.fixture], self._n_px)
            # Its resize acts on every image that is not square, even where the canon has nothing to resize.
            inherited = active & found or (self._squeezes and "center_crop" in active)
            decoded = "decode" not in active or any(check.stage == "decode" for check in case.checks)
            if not decoded and (case.pins or not inherited):
                # The candidate opened the file itself, and what follows is right on other images.
                found.add("decode")
            elif not case.pins and not inherited:
                guesses.setdefault(self._guess(case, active), set()).add(case.mode)
        return found | _settled(guesses)

    def _find_lens(self) -> lenses.Lens | None:
        failing = {case.fixture for case in self._failing}
        if _NOISE in failing:
            noise = np.asarray(source_of(fixtures()[_NOISE], self._n_px))
            return lenses.recover(noise, self._final(_NOISE), self._flats(failing))
        canon = lenses.canonical()
        if _NOISE in self._ran:
            # The float end is right on noise; a pin that fails all the same was disturbed in space.
            spatial = any(case.pins == "normalize" for case in self._failing)
            return lenses.Lens(canon.order, canon.slope, canon.offset, (), spatial)
        for slug in sorted(failing):
            # The pin was not selected: any image that comes out right but for the float end shows it as well.
            image = expected_rgb(fixtures()[slug], self._n_px)
            if all(len(np.unique(image[..., band])) >= _ENOUGH for band in range(3)):
                found = lenses.recover(image, self._final(slug), {})
                if found is not None:
                    return found
        return canon

    def _varies(self) -> bool:
        """Return whether the float end of another image that needs no other stage is another one."""
        assert self._lens is not None
        for case in self._failing:
            if case.fixture not in _OTHERS or "normalize" not in self._lens.faults:
                continue
            image = np.asarray(source_of(fixtures()[case.fixture], self._n_px))
            other = lenses.recover(image, self._final(case.fixture), {})
            if other is not None and np.abs(other.slope / self._lens.slope - 1).max() > _SAME:
                return True
        return False

    def _mixes(self) -> bool:
        """Return whether an image of one colour comes out in one other colour, which no resize does."""
        for case in self._failing:
            image = self._image(case) if case.fixture in _COLOURED else None
            if image is None:
                continue
            edge = self._n_px // 4
            inner = image[edge:-edge, edge:-edge].reshape(-1, 3)
            away = np.abs(inner - np.asarray(source_of(fixtures()[case.fixture], self._n_px))[edge, edge])
            if np.ptp(inner, axis=0).max() < 1.0 and away.max() > _ANOTHER:
                return True
        return False

    def _flats(self, failing: set[str]) -> dict[int, NDArray[Any]]:
        flats = {}
        for value, slug in _FLATS.items():
            if slug in failing:
                flats[value] = self._final(slug)
            else:
                flats[value] = reference_stages(fixtures()[slug], self._n_px).normalize
        return flats

    def _final(self, slug: str) -> NDArray[Any]:
        return arrays.load(self._finals[f"{slug}@{self._n_px}"], arrays.LARGEST)

    def _fails_behind_lens(self, case: Case) -> bool:
        image = self._image(case)
        fixture = fixtures()[case.fixture]
        return image is None or not self._matches(image, expected_rgb(fixture, self._n_px), fixture.mode)

    def _image(self, case: Case) -> NDArray[np.float64] | None:
        """Return the 8-bit image behind a case's final tensor, or None where it has another shape."""
        assert self._lens is not None
        tensor = self._final(case.fixture)
        shape = (self._n_px, self._n_px, 3) if self._lens.layout == "hwc" else (3, self._n_px, self._n_px)
        if tensor.shape != shape or not np.isfinite(tensor).all():
            return None
        return self._lens.image(tensor)

    def _matches(self, image: NDArray[np.float64], wanted: NDArray[np.uint8], mode: str) -> bool:
        deviation = compare("convert_rgb", image, wanted)
        return deviation.peak == 0 or reaches(level_of("convert_rgb", "cumulative", deviation, mode), self._required)

    def _from_pins(self, rest: list[Case]) -> set[StageId]:
        found: set[StageId] = set()
        for case in rest:
            if case.pins == "center_crop":
                stage = self._crop_or_resize(case)
                self._squeezes |= stage == "resize"
                found.add(stage)
            elif case.pins in ("resize", "convert_rgb"):
                found.add(case.pins)  # type: ignore[arg-type]
        return found

    def _crop_or_resize(self, case: Case) -> StageId:
        """A wrong crop is still a window of the image; anything else was resampled where nothing was to do."""
        source = np.asarray(source_of(fixtures()[case.fixture], self._n_px)).astype(np.float64)
        image = self._image(case)
        if image is None:
            return "resize"
        n = self._n_px
        for top in range(source.shape[0] - n + 1):
            for left in range(source.shape[1] - n + 1):
                probe = source[top : top + n : 16, left : left + n : 16]
                if np.abs(probe - image[::16, ::16]).mean() < 1.0:
                    return "center_crop"
        return "resize"

    def _guess(self, case: Case, active: set[StageId]) -> StageId:
        """Name the stage of a case in which several act, each of which passes on its own: try what could explain it."""
        image = self._image(case)
        if image is not None:
            for stage, change in _EXPLANATIONS.items():
                if self._explains(change, case, image):
                    return stage
        return "resize" if "resize" in active else in_order(active)[0]

    def _explains(self, change: Callable[[Image.Image], Image.Image], case: Case, image: NDArray[np.float64]) -> bool:
        source = source_of(fixtures()[case.fixture], self._n_px)
        opened = Image.open(source) if isinstance(source, Path) else source
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            changed = change(opened)
        same = (changed.mode, changed.size) == (opened.mode, opened.size)
        return not same and self._matches(image, Stages(changed, self._n_px).convert_rgb, changed.mode)


def _settled(guesses: dict[StageId, set[str]]) -> set[StageId]:
    """Return the guessed stages, given the modes of the images that each was guessed for.

    Converting first explains a mode only where it explains all of its images; and where it explains nothing but alpha
    modes, straight alpha in the resize is the nearer cause.
    """
    converted = guesses.pop("convert_rgb", set()) - guesses.get("resize", set())
    found = set(guesses)
    if converted:
        found.add("resize" if converted <= _ALPHA else "convert_rgb")
    return found


def _square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


# What a candidate may have done instead, as a change of the input after which the canon does the same.
_EXPLANATIONS: dict[StageId, Callable[[Image.Image], Image.Image]] = {
    "convert_rgb": lambda image: image.convert("RGB"),
    "center_crop": _square,
}
