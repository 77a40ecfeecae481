"""Other ways to call a Python candidate with one image, for the properties that `fuzz` looks at (INP-7).

They are asked for by a message of their own between the suite and its own worker; spec/PROTOCOL.md has no part in it.
"""

import functools
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from PIL import Image

from clip_conformance import protocol
from clip_conformance.candidates.adapters import Adapter, as_input
from clip_spec import StageId

How = Literal["watched", "batch", "strided"]
# How the answer begins that says that the input was changed.
CHANGED = "InputChanged: "


class Trial(protocol.Run, frozen=True, kw_only=True, omit_defaults=True, tag="trial", tag_field="cmd"):
    """A run in another way: with the input watched, as the second of a batch of two, or from strided memory."""

    how: How


class InputChanged(Exception):  # noqa: N818 - says what happened
    """The candidate wrote to its input."""


class NotOffered(NotImplementedError):  # noqa: N818 - says what it is
    """The candidate cannot be called that way."""


class Trials:
    """The other ways to call one candidate; `kind` is what it takes, as in Setup."""

    def __init__(self, adapter: Adapter, kind: str) -> None:
        self._adapter, self._kind = adapter, kind

    def run(self, how: How, image: Image.Image) -> dict[StageId, Any]:
        """Return the outputs for an image.

        Raises:
            NotOffered: the candidate cannot be called that way.
            InputChanged: it wrote to its input.
        """
        return {"watched": self._watched, "batch": self._batch, "strided": self._strided}[how](image)

    def _watched(self, image: Image.Image) -> dict[StageId, Any]:
        image.load()
        given = as_input(image, self._kind)
        before = _contents(given)
        outputs = self._adapter.run(given)
        changed = [name for name, value in _contents(given).items() if value != before[name]]
        if changed:
            raise InputChanged(f"the candidate changed its input's {', '.join(changed)}")
        return outputs

    def _batch(self, image: Image.Image) -> dict[StageId, Any]:
        if not self._takes_batches:
            raise NotOffered("no list of images is taken")
        # The other image has another size and other pixels.
        other = image.transpose(Image.Transpose.ROTATE_90)
        return {"normalize": self._of_two([other, image])[1]}

    @functools.cached_property
    def _takes_batches(self) -> bool:
        try:
            self._of_two([Image.new("RGB", (40, 30), (9, 99, 200)), Image.new("RGB", (30, 40), (200, 9, 99))])
        except Exception:
            return False
        return True

    def _of_two(self, images: list[Image.Image]) -> Any:
        """Return the outputs of a batch of two images.

        Raises:
            NotOffered: it returned something else.
        """
        batch = getattr(self._adapter, "batch", None)
        if batch is None:
            raise NotOffered("it has no call for several images")
        result = batch([as_input(image, self._kind) for image in images])
        if isinstance(result, Mapping) or hasattr(result, "keys"):
            result = result["pixel_values"]
        if not (isinstance(result, (list, tuple)) or getattr(result, "ndim", 0) == 4) or len(result) != 2:
            raise NotOffered("two images did not give two outputs")
        return result

    def _strided(self, image: Image.Image) -> dict[StageId, Any]:
        if self._kind != "array":
            raise NotOffered("it takes no arrays")
        pixels = as_input(image, self._kind)
        height, width, bands = pixels.shape
        room = np.zeros((height + 1, 2 * width + 1, bands + 1), dtype=pixels.dtype)
        view = room[:height, : 2 * width : 2, :bands]
        view[...] = pixels
        return self._adapter.run(view)


def _contents(given: Any) -> dict[str, Any]:
    """Return all of an input that a candidate could write to."""
    if isinstance(given, np.ndarray):
        return {"samples": given.tobytes(), "shape": given.shape, "dtype": given.dtype}
    return {
        "samples": given.tobytes(),
        "size": given.size,
        "mode": given.mode,
        "palette": given.getpalette("RGB"),
        "metadata": dict(given.info),
    }
