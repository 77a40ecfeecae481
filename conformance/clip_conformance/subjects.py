"""One image as the canon and every simulated mistake see it: what the suite's evidence about itself is made from."""

import functools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_conformance.diagnosis import simulate
from clip_conformance.diagnosis.float_end import tensor
from clip_conformance.diagnosis.picture import Picture, Pictures
from clip_conformance.diagnosis.variant import CANON, FIELDS, Variant, variant_of
from clip_conformance.scoring.compare import Deviation, compare
from clip_fixtures import Fixture, fixtures
from clip_reference.tensor import normalize, to_tensor

N_PX = 224
# The channels are put in order when the image becomes a tensor.
_FLOAT_END = [name for name, field in FIELDS.items() if field.stage in ("to_tensor", "normalize") or name == "channels"]
_CANON_END = {name: getattr(CANON, name) for name in _FLOAT_END}
REFUSED = Deviation(problem="refused")


def simulated() -> dict[str, Variant]:
    """Return the canon with one mistake, by fault, for every fault that the spec's data say how to make."""
    return {fault.id: variant_of(fault.id) for fault in clip_spec.faults() if fault.change}


def not_simulated() -> list[str]:
    """Return the faults that no variant has: they happen inside a decoder."""
    return [fault.id for fault in clip_spec.faults() if not fault.change]


def images() -> list[Fixture]:
    """Return the fixtures that are images, in the order of the catalogue."""
    return [fixture for fixture in fixtures().values() if fixture.expect == "image"]


def ends_like_canon(variant: Variant) -> bool:
    """Return whether a variant's mistake is in its 8-bit image alone."""
    return all(getattr(variant, name) == value for name, value in _CANON_END.items())


class Subject:
    """One image at one n_px.

    Attributes:
        image: the canon's 8-bit result, uint8 [n_px, n_px, 3].
        tensor: the canon's final tensor, float32 [3, n_px, n_px].
    """

    def __init__(self, source: "Fixture | Picture", n_px: int = N_PX) -> None:
        self._n_px = n_px
        self._pictures = None if isinstance(source, Picture) else Pictures(n_px)
        self._source = source
        plain = self.opened(CANON)
        assert plain is not None
        self._plain = plain
        self.image: NDArray[np.uint8] = simulate.image(CANON, plain, n_px).astype(np.uint8)
        self.tensor: NDArray[np.float32] = _canonical(self.image)
        self._made = functools.lru_cache(maxsize=1)(self._simulated)

    def opened(self, variant: Variant) -> Picture | None:
        """Return the image as a variant opens it, None where it refuses it."""
        if isinstance(self._source, Picture):
            return self._source
        assert self._pictures is not None
        return self._pictures.get(self._source, variant)

    def image_of(self, variant: Variant) -> NDArray[Any] | None:
        """Return a variant's image before its float end; `self.image` itself where they are equal, None where refused.

        uint8 [rows, columns, 3], or float64 where its samples are not whole or leave 0..255.
        """
        return self._made(replace(variant, **_CANON_END))

    def _simulated(self, variant: Variant) -> NDArray[Any] | None:
        if variant == CANON:
            return self.image
        picture = self.opened(variant)
        if picture is None:
            return None
        made = simulate.image(variant, picture, self._n_px)
        whole = np.clip(made, 0, 255).astype(np.uint8)
        if not np.array_equal(whole, made):
            return made
        return self.image if np.array_equal(whole, self.image) else whole

    def tensor_of(self, variant: Variant) -> NDArray[np.float32] | None:
        """Return a variant's final tensor in its own shape; `self.tensor` itself where they must be equal."""
        made = self.image_of(variant)
        if made is None:
            return None
        if not ends_like_canon(variant) or made.dtype != np.uint8:
            return tensor(variant, made.astype(np.float64))
        return self.tensor if made is self.image else _canonical(made)

    def image_deviation(self, variant: Variant) -> Deviation:
        """Return how far a variant's 8-bit image is from the canon's, end to end."""
        made = self.image_of(variant)
        if made is None:
            return REFUSED
        return Deviation(identical=True) if made is self.image else compare("convert_rgb", made, self.image)

    def tensor_deviation(self, variant: Variant) -> Deviation:
        """Return how far a variant's tensor is from the canon's, end to end."""
        made = self.tensor_of(variant)
        if made is None:
            return REFUSED
        return Deviation(identical=True) if made is self.tensor else compare("normalize", made, self.tensor)


def _canonical(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return normalize(to_tensor(image))
