"""What a run shows of a candidate: its images behind its float end, case by case."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance import arrays
from clip_conformance.cases import case_id, source_of
from clip_conformance.diagnosis.picture import Picture, Pictures
from clip_conformance.diagnosis.variant import CANON, Variant
from clip_conformance.records import Case
from clip_conformance.scoring import lens as lenses
from clip_fixtures import Fixture, fixtures
from clip_reference import Stages

_NOISE, _SMOOTH = "pin-noise", "pin-gradient"
_FLATS = {0: "pin-black", 128: "pin-grey", 255: "pin-white"}
# Distinct values a channel needs before a line can be told from it.
_ENOUGH = 64
# A longer side, or a larger number, is no preprocessed image.
_SIDE, _SANE = 8192, 1e9


@dataclass
class Evidence:
    """The cases of one n_px.

    Attributes:
        cases: those that gave an output, by slug.
        finals: where the final tensors lie that are not the canon's bits, by case id.
        n_px: the side of the model's input.
    """

    cases: dict[str, Case]
    finals: dict[str, Path]
    n_px: int
    pictures: Pictures = field(init=False)
    _channels: dict[str, set[int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.n_px)

    def fixture(self, slug: str) -> Fixture:
        """Return a fixture."""
        return fixtures()[slug]

    def picture(self, slug: str, variant: Variant = CANON) -> Picture | None:
        """Return what a variant starts from."""
        return self.pictures.get(self.fixture(slug), variant)

    def differs(self, slug: str) -> bool:
        """Return whether a candidate's final tensor is not the canon's, bit for bit."""
        return case_id(self.fixture(slug), self.n_px) in self.finals

    def tensor(self, slug: str) -> NDArray[Any]:
        """Return the candidate's final tensor of a case that differs."""
        path = self.finals[case_id(self.fixture(slug), self.n_px)]
        return arrays.load(path, arrays.LARGEST)

    def is_image(self, slug: str, layout: str = "") -> bool:
        """Return whether a case's tensor has rows, columns and three channels, of numbers that mean something.

        With a layout (see `lens.LAYOUTS`) the channels must lie where it has them.
        """
        if not self.differs(slug):
            return layout != "hwc"
        if slug not in self._channels:
            self._channels[slug] = self._found_channels(slug)
        return bool(self._channels[slug] & ({2} if layout == "hwc" else {0} if layout else {0, 2}))

    def _found_channels(self, slug: str) -> set[int]:
        path = self.finals[case_id(self.fixture(slug), self.n_px)]
        described = arrays.layout(path)
        shape = described[0] if described else ()
        if len(shape) != 3 or max(shape) > _SIDE:
            return set()
        with np.errstate(all="ignore"):
            if not (np.abs(self.tensor(slug).astype(np.float64)) < _SANE).all():
                return set()
        return {axis for axis in (0, 2) if shape[axis] == 3}

    def deviation(self, slug: str) -> float:
        """Return a case's mean deviation from the canon in LSB; infinite where it has no figure."""
        for check in self.cases[slug].checks:
            if check.stage == "normalize" and check.view != "isolated":
                return np.inf if check.mean is None else check.mean
        # A candidate that ends early was carried on by the canon.
        got, want = self.shown(slug), Stages(source_of(self.fixture(slug), self.n_px), self.n_px).normalize
        if got.shape != want.shape:
            return np.inf
        return float((np.abs(got.astype(np.float64) - want) / lenses.canonical().slope[:, None, None]).mean())

    def shown(self, slug: str) -> NDArray[Any]:
        """Return the candidate's final tensor of any case."""
        return (
            self.tensor(slug)
            if self.differs(slug)
            else Stages(source_of(self.fixture(slug), self.n_px), self.n_px).normalize
        )

    def lens(self) -> lenses.Lens | None:
        """Return what the candidate's float end does to a sample, None where that cannot be told."""
        if _NOISE in self.cases and not self.differs(_NOISE):
            return lenses.canonical()
        if _NOISE in self.cases:
            if not self.is_image(_NOISE):
                return None
            seen = {slug for slug in self.cases if slug in (*_FLATS.values(), _SMOOTH) and self.is_image(slug)}
            flats = {value: self.shown(slug) for value, slug in _FLATS.items() if slug in seen}
            smooth = (self._samples(_SMOOTH), self.shown(_SMOOTH)) if _SMOOTH in seen else None
            return lenses.recover(self._samples(_NOISE), self.tensor(_NOISE), flats, smooth)
        for slug in self._plain():
            # The pin was not run: any image that comes out right but for the float end shows it as well.
            image = Stages(source_of(self.fixture(slug), self.n_px), self.n_px).convert_rgb
            if all(len(np.unique(image[..., band])) >= _ENOUGH for band in range(3)):
                found = lenses.recover(image, self.tensor(slug), {})
                if found is not None:
                    return found
        return lenses.canonical()

    def precision(self) -> str:
        """Return the type that the candidate's values went through: all of them are numbers of it."""
        tensors = [self.tensor(slug) for slug in list(self._plain())[:3]]
        tensors = [tensor for tensor in tensors if tensor.dtype.kind == "f" and len(np.unique(tensor)) >= _ENOUGH]
        if not tensors:
            return "float32"
        if all((np.ascontiguousarray(t, np.float32).view(np.uint32) & 0xFFFF == 0).all() for t in tensors):
            return "bfloat16"
        with np.errstate(over="ignore"):
            halves = all((t.astype(np.float16).astype(np.float64) == t.astype(np.float64)).all() for t in tensors)
        return "float16" if halves else "float32"

    def _samples(self, slug: str) -> NDArray[np.uint8]:
        return np.asarray(source_of(self.fixture(slug), self.n_px))

    def _plain(self) -> Iterator[str]:
        """Yield the RGB arrays that differ."""
        for slug, case in self.cases.items():
            if case.scope == "arrays" and self.differs(slug) and self.is_image(slug):
                yield slug
